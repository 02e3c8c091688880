/// supervisorctl's own options and what is to be run.
///
/// As Python's getopt reads them: options end at the first word that is none or at `--`; short ones may be joined, long ones shortened
/// to what begins no other. An option given twice is an error. Also `--history-file`, which the original's help promises and the
/// original does not know.
public struct SupervisorctlArguments: Sendable, Equatable {
    public var configuration: String?
    public var interactive = false
    public var serverURL: String?
    public var username: String?
    public var password: String?
    public var historyFile: String?
    /// The words of the action; none: a shell.
    public var action: [String] = []

    public enum Outcome: Sendable, Equatable {
        case run(SupervisorctlArguments)
        /// Show `help` on stdout, exit status 0.
        case help
        /// Show `refusal` on stderr, exit status 2.
        case refused(String)
    }

    public init() {}

    public static let defaultServerURL = "http://localhost:9001"
    public static let defaultPrompt = "supervisor"

    /// Where the original looks for a configuration file without `-c`, besides beside itself. None is needed.
    public static let configurationPaths = [
        "supervisord.conf", "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf",
    ]

    /// What there is to know after the first `-h` or error, in the order of the words.
    public static func parse(_ words: [String]) -> Outcome {
        do throws(Refusal) {
            var rest = words[...]
            let options = try takeOptions(&rest)
            var arguments = SupervisorctlArguments()
            arguments.action = Array(rest)
            for (option, spelling, value) in options {
                if option == .help { return .help }
                try arguments.set(option, spelling, value)
            }
            return .run(arguments)
        } catch {
            return .refused(error.text)
        }
    }

    /// The two lines on stderr of a refusal.
    public static func refusal(_ text: String, program: String) -> [String] { ["Error: \(text)", "For help, use \(program) -h"] }

    public static func help(program: String) -> String {
        """
        supervisorctl talks to a running supervisor.

        Usage: \(program) [options] [action [arguments]]

        -c, --configuration FILE   where the section [supervisorctl] is read from
        -h, --help                 show this and exit
        -i, --interactive          ask before shutdown and reload, and for a password; without an action: a shell
        -s, --serverurl URL        where the supervisor listens: unix:///path or http://host:port
                                   (default \(defaultServerURL))
        -u, --username NAME        who to be for the supervisor
        -p, --password PASSWORD    and the password of that user
        -r, --history-file FILE    where a shell keeps what was typed

        Without an action a shell reads actions line by line. The action "help" lists them.

        """
    }

    private mutating func set(_ option: Option, _ spelling: String, _ value: String) throws(Refusal) {
        let path: WritableKeyPath<Self, String?>
        switch option {
        case .help: return
        case .interactive:
            guard !interactive else { throw Refusal("conflicting command line option '\(spelling)'") }
            interactive = true
            return
        case .serverURL:
            guard Self.isURL(value) else { throw Refusal("invalid value for \(spelling) '\(value)': value '\(value)' is not a URL") }
            path = \.serverURL
        case .configuration: path = \.configuration
        case .username: path = \.username
        case .password: path = \.password
        case .historyFile: path = \.historyFile
        }
        guard self[keyPath: path] == nil else { throw Refusal("conflicting command line option '\(spelling)'") }
        self[keyPath: path] = value
    }

    /// Anything with a scheme and something after it; whether a supervisor can be reached that way shows later.
    private static func isURL(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else { return false }
        let rest = text[text.index(after: colon)...]
        return !rest.isEmpty && rest != "//"
    }
}
