import Testing

@testable import Supervisor

/// supervisorctl's actions against what the real supervisorctl 4.2.5 and supervisord 4.2.5 said to each other and to the user.
///
/// `Corpus/supervisorctl/*.txt`, recorded between the two: `$ command`, `? request` and `! answer` (bodies without the line feeds
/// between tags; `!404` and `!stream` for a log), `> stdout`, `2 stderr`, `= exit status`. `>h` is a line of help, which is our own,
/// `>error` a Python exception. From the second answer on, members no command looks at are left out.
struct ClientTranscriptTests {
    static let files = ["looks.txt", "processes.txt", "logs.txt", "groups.txt", "endings.txt"]

    @Test(arguments: files) func `every action calls and says what the real one does`(_ file: String) throws {
        let transcripts = try Transcript.all(try Corpus.text("supervisorctl", file))
        #expect(transcripts.count >= 20)
        for transcript in transcripts { try check(transcript) }
    }

    private func check(_ transcript: Transcript) throws {
        let replay = Replay(transcript.exchanges)
        var client = ControlClientCommands(serverURL: "unix:///lab/p.sock", interactive: false, doors: replay.doors())
        _ = client.run(transcript.command)
        let comment = Comment(rawValue: transcript.command)
        #expect(replay.problems == [], comment)
        #expect(replay.left == 0, "\(transcript.command): calls the real one makes")
        #expect(client.exitStatus == transcript.status, comment)
        #expect(replay.complaints == transcript.complaints, comment)
        #expect(replay.lines.count == transcript.lines.count, "\(transcript.command): \(replay.lines)")
        for (ours, real) in zip(replay.lines, transcript.lines) {
            switch real {
            case .exactly(let text): #expect(ours == text, comment)
            case .help: #expect(ControlClientCommands.help.values.joined().contains(ours), comment)
            case .exception: #expect(ours.hasPrefix("error: ") && !ours.contains("class"), comment)
            }
        }
    }
}

/// One command of a recording.
struct Transcript {
    enum Line: Equatable {
        case exactly(String)
        case help
        case exception
    }
    enum Exchange {
        case call(XMLRPCCall, Result<ControlValue, ControlFault>)
        case follow(path: String, FollowEnd)
    }

    var command: String
    var exchanges: [Exchange] = []
    var lines: [Line] = []
    var complaints: [String] = []
    var status: Int32 = -1

    static func all(_ text: String) throws -> [Transcript] {
        var transcripts: [Transcript] = []
        var request = ""
        for line in text.split(separator: "\n") {
            let rest = String(line.dropFirst(2))
            if line.hasPrefix("$ ") {
                transcripts.append(Transcript(command: rest))
                continue
            }
            let last = transcripts.count - 1
            switch line.prefix(2) {
            case "? ": request = rest
            case "! ":
                transcripts[last].exchanges.append(
                    .call(try XMLRPCCallReader.read(body(request)), try XMLRPCResponseReader.read(body(rest))))
            case "!4", "!s":
                let path = String(request.split(separator: " ")[1])
                transcripts[last].exchanges.append(.follow(path: path, line == "!404" ? .status(404) : .interrupted))
            case "> ": transcripts[last].lines.append(.exactly(rest))
            case ">h": transcripts[last].lines.append(.help)
            case ">e": transcripts[last].lines.append(.exception)
            case "2 ": transcripts[last].complaints.append(rest)
            case "= ": transcripts[last].status = try #require(Int32(rest))
            default: Issue.record("no line of a recording: \(line)")
            }
        }
        return transcripts
    }

    private static func body(_ escaped: String) -> [UInt8] {
        var body: [UInt8] = []
        var bytes = Array(escaped.utf8)[...]
        while let byte = bytes.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = bytes.popFirst() else {
                body.append(byte)
                continue
            }
            body.append(next == UInt8(ascii: "n") ? 10 : next == UInt8(ascii: "r") ? 13 : next)
        }
        return body
    }
}

/// Answers a client from a recording and notes where it asks something else.
final class Replay {
    private var exchanges: ArraySlice<Transcript.Exchange>
    /// What was written to stdout, cut at line feeds as a recording is.
    private(set) var lines: [String] = []
    private(set) var complaints: [String] = []
    private(set) var problems: [String] = []
    var left: Int { exchanges.count }

    init(_ exchanges: [Transcript.Exchange]) { self.exchanges = exchanges[...] }

    func doors() -> ControlClientDoors {
        ControlClientDoors(
            call: { [self] (method, parameters) throws(CallFailure) in
                guard case .call(let call, let answer)? = exchanges.popFirst() else { throw .connection(.noSuchFile) }
                if call != XMLRPCCall(method: method, parameters: parameters) { problems.append("\(method) \(parameters)") }
                switch answer {
                case .success(let value): return value
                case .failure(let fault): throw .fault(fault)
                }
            },
            output: { [self] in lines += $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) },
            complain: { [self] in complaints.append($0) },
            follow: { [self] path in
                guard case .follow(let expected, let end)? = exchanges.popFirst(), expected == path else {
                    problems.append("follow \(path)")
                    return .ended
                }
                return end
            },
            foreground: { [self] _, _ in problems.append("foreground") },
            ask: { [self] prompt, _ in
                problems.append("asked \(prompt)")
                return nil
            },
            connect: { [self] _, credentials in if credentials != nil { problems.append("credentials") } })
    }
}
