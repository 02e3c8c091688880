import Events
import Glibc
import Linux

/// One of a program's two output streams: the pipe from it, and where its bytes go.
final class OutputStream {
    let number: Int32
    let spec: OutputSpec
    /// Of the program's current or last process; `.automatic` has a new one for each supervisor.
    private(set) var file: RotatingFile?
    var pipe: Descriptor?
    var ticket: UInt64 = 0
    private var lines = LineAssembler()

    init(_ number: Int32, _ spec: OutputSpec) {
        self.number = number
        self.spec = spec
    }

    var word: String { number == 1 ? "stdout" : "stderr" }
    var path: String? { file?.path }

    /// Throws where the file cannot be opened: the program is not started then.
    func openFile(automatic: () -> RotatingFile?) throws(SystemError) {
        guard file == nil else { return }
        switch spec.destination {
        case .none, .descriptor: break
        case .automatic: file = automatic()
        case .file(let path): file = try RotatingFile(path, maxbytes: spec.maxbytes, backups: spec.backups)
        }
    }

    /// Writes into the file. Returns the whole lines that go elsewhere, and what has to be said.
    func take(_ bytes: ArraySlice<UInt8>, strippingEscapes: Bool) -> (lines: [UInt8], trouble: RotatingFile.Trouble?) {
        let bytes = strippingEscapes ? withoutEscapes(bytes)[...] : bytes
        return (needsLines ? lines.add(bytes) : [], file?.write(bytes))
    }

    /// The process is gone. Returns a last line that had no end.
    func endLines() -> [UInt8] { lines.end() }

    private var needsLines: Bool {
        if case .descriptor = spec.destination { return true }
        return spec.syslog
    }

    func reopen() -> RotatingFile.Trouble? { file?.reopen() }
    func clear() -> RotatingFile.Trouble? { file?.clear() }
    /// An automatic file goes with the program.
    func removeAutomatic() {
        guard case .automatic = spec.destination, let path = file?.path else { return }
        file = nil
        unsafe unlink(path)
        for backup in stride(from: 1, through: spec.backups, by: 1) where unsafe unlink("\(path).\(backup)") != 0 { break }
    }
}
