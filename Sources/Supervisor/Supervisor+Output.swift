import CLinux
import Events
import Glibc
import Linux

extension Supervisor {
    /// Bytes of a program, wherever they go.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ stream: OutputStream, of program: ManagedProgram) {
        if options.log.level.rank >= Level.debg.rank { sayOutput(bytes, stream, of: program) }
        let (lines, trouble) = stream.take(bytes, strippingEscapes: options.stripsEscapes)
        say(trouble, stream, of: program)
        deliver(lines, stream, of: program)
    }

    /// At the level debug the log holds what programs print, as they print it.
    private mutating func sayOutput(_ bytes: ArraySlice<UInt8>, _ stream: OutputStream, of program: ManagedProgram) {
        let head = "'\(program.name)' \(stream.word) output:"
        switch options.log.face {
        case .json:
            say(
                Event(
                    .debg, "output", "\(head) \(String(decoding: bytes, as: UTF8.self))",
                    ["program": .text(program.name), "stream": .text(stream.word)]))
        case .text:
            say(Event(.debg, "output", head))
            let isText = String(validating: bytes, as: UTF8.self) != nil
            let data = isText ? Array(bytes) : Array("Undecodable: b'\(Self.escaped(bytes))'".utf8)
            log.raw((data + [10])[...])
            copy((data + [10])[...])
        }
    }
    private static func escaped(_ bytes: ArraySlice<UInt8>) -> String {
        var out = ""
        for byte in bytes {
            switch byte {
            case 10: out += "\\n"
            case 13: out += "\\r"
            case 9: out += "\\t"
            case 39: out += "\\'"
            case 92: out += "\\\\"
            case 32..<127: out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16)
                out += "\\x" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return out
    }

    /// Reads what is left, and closes. A program's last words come before the line of its end.
    mutating func finishOutput(of program: ManagedProgram) {
        for stream in program.streams {
            // Bounded: a grandchild may hold the pipe and write for ever.
            readOutput(stream, of: program, turns: 64, mayPause: false)
            deliver(stream.endLines(), stream, of: program)
            closePipe(stream)
        }
    }

    mutating func say(_ trouble: RotatingFile.Trouble?, _ stream: OutputStream, of program: ManagedProgram) {
        if let trouble, let path = stream.path { say(MainLog.event(trouble, path, of: program.name)) }
    }

    /// Whole lines.
    private mutating func deliver(_ lines: [UInt8], _ stream: OutputStream, of program: ManagedProgram) {
        if lines.isEmpty { return }
        if stream.spec.syslog {
            for line in lines.split(separator: 10) { syslog.send(line) }
        }
        guard case .descriptor(let number) = stream.spec.destination else { return }
        guard stream.spec.hasPrefix || options.log.face == .json else {
            sinks[number]?.write(lines[...])
            return
        }
        let now = WallTime.now()
        for line in lines.split(separator: 10, omittingEmptySubsequences: false).dropLast() {
            sinks[number]?.write(options.log.face.stamp(String(decoding: line, as: UTF8.self), from: program.name, at: now))
        }
    }

    /// SIGUSR2: files that logrotate has moved away are made anew.
    mutating func reopenLogs() {
        log.reopen()
        for group in groups {
            for program in group.programs {
                for stream in program.streams { say(stream.reopen(), stream, of: program) }
            }
        }
    }

    // MARK: standard input

    /// As much as the program takes; the rest when it reads on.
    mutating func writeInput(of program: ManagedProgram) {
        while !program.inputBacklog.isEmpty, let number = program.input?.number {
            let wrote = unsafe program.inputBacklog.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress!, $0.count) }
            if wrote < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN {
                    if program.inputTicket == nil { program.inputTicket = try? watch(number, .input(program), events: EPOLLOUT.rawValue) }
                    return
                }
                program.inputBacklog = []  // it has closed its end
                break
            }
            program.inputBacklog.removeFirst(wrote)
        }
        if let ticket = program.inputTicket, let number = program.input?.number {
            unwatch(number, ticket)
            program.inputTicket = nil
        }
    }
    mutating func closeInput(of program: ManagedProgram) {
        if let ticket = program.inputTicket, let number = program.input?.number { unwatch(number, ticket) }
        program.inputTicket = nil
        program.inputBacklog = []
        program.input = nil
    }
}
