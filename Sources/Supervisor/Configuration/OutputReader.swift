/// Reads where a program's two output streams go.
struct OutputReader {
    private let reader: SectionReader
    private let world: ConfigurationWorld

    init(_ reader: SectionReader, _ world: ConfigurationWorld) {
        self.reader = reader
        self.world = world
    }

    /// `form` says whether stderr follows stdout, and what else is set already.
    func read(_ form: ProgramSpec, _ warnings: inout [String]) throws(ConfigurationError) -> (stdout: OutputSpec, stderr: OutputSpec) {
        let stdout = try stream("stdout", form.stdout, &warnings)
        var stderr = try stream("stderr", form.stderr, &warnings)
        if form.redirectStderr {
            if stderr.destination != .automatic, stderr.destination != .none {
                warnings.append(
                    "For [\(reader.section)], redirect_stderr=true but stderr_logfile has also been set to a filename, "
                        + "the filename has been ignored")
            }
            stderr.destination = .none
        }
        return (stdout, stderr)
    }

    private func stream(_ name: String, _ form: OutputSpec, _ warnings: inout [String]) throws(ConfigurationError) -> OutputSpec {
        let option = "\(name)_logfile"
        var output = form
        let target = try target(option)
        output.backups = max(0, try reader.integer("\(option)_backups", form.backups))
        output.maxbytes = try reader.value("\(option)_maxbytes", form.maxbytes, OptionValue.bytes)
        output.syslog = try reader.boolean("\(name)_syslog")
        switch target {
        case .none: output.destination = .none
        case .automatic: output.destination = .automatic
        case .file(let path): output.destination = .file(path)
        case .descriptor(let number): output.destination = .descriptor(number)
        case .syslog:
            warnings.append(
                "For [\(reader.section)], \(option)=syslog but this is deprecated and will be removed.  Use \(name)_syslog=true "
                    + "to enable syslog instead.")
            output.destination = .none
            output.syslog = true
        }
        if output.destination == .automatic, output.maxbytes == 0 {
            warnings.append(
                "For [\(reader.section)], AUTO logging used for \(option) without rollover, set maxbytes > 0 to avoid filling up "
                    + "filesystem unintentionally")
        }
        return output
    }

    /// Expanded twice, as ever: a `%` in a log's name is written `%%%%`.
    private func target(_ option: String) throws(ConfigurationError) -> LogTarget {
        guard let text = try reader.text(option) else { return .automatic }
        return try LogTarget(try reader.expand(text, as: option), world)
    }
}
