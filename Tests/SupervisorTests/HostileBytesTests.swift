import Testing

@testable import Supervisor

/// What anybody may write to a socket: known nasty input, and twenty thousand inputs nobody thought of.
///
/// A file below `Corpus/http` and `Corpus/xmlrpc` says in its name what is to become of it; adding a case is adding a file.
struct HostileBytesTests {
    @Test(arguments: try Corpus.names("http")) func `every seed of HTTP ends as its name says`(_ name: String) throws {
        var reader = HTTPRequestReader()
        let outcome: String
        switch reader.feed(try Corpus.bytes("http", name)) {
        case .needMore, .sendContinue: outcome = "more"
        case .request: outcome = "request"
        case .refusal(let refusal): outcome = "\(refusal.status)"
        }
        #expect(name.hasPrefix("\(outcome)-"), "\(outcome)")
    }

    @Test(arguments: try Corpus.names("xmlrpc")) func `every seed of XML-RPC ends as its name says`(_ name: String) throws {
        let outcome = (try? XMLRPCCallReader.read(try Corpus.bytes("xmlrpc", name))) == nil ? "refused" : "call"
        #expect(name.hasPrefix("\(outcome)-"), "\(outcome)")
    }

    @Test func `there is a dozen seeds of each, of every outcome`() throws {
        let http = try Corpus.names("http")
        let calls = try Corpus.names("xmlrpc")
        #expect(http.count >= 12)
        #expect(calls.count >= 12)
        #expect(Set(http.map { $0.prefix { $0 != "-" } }).isSuperset(of: ["request", "more", "400", "404", "405", "411", "413", "431"]))
        #expect(Set(calls.map { $0.prefix { $0 != "-" } }) == ["call", "refused"])
    }

    @Test func `a request is the same however it is cut, and nothing goes beyond its bounds`() throws {
        var random = SplitMix(state: 1)
        let seeds = try Corpus.names("http").map { try Corpus.bytes("http", $0) }
        var served = 0
        for _ in 0..<8_000 {
            let input = random.mutated(seeds)
            var whole = HTTPRequestReader()
            let expected = whole.feed(input)
            var reader = HTTPRequestReader()
            var progress = HTTPRequestReader.Progress.needMore
            var rest = input[...]
            while !rest.isEmpty {
                let piece = rest.prefix(1 + Int(random.next() % 64))
                rest = rest.dropFirst(piece.count)
                progress = reader.feed(piece)
            }
            // Cut at the end of the head, a client that waits is told to go on; in one piece it did not wait.
            if progress == .sendContinue || expected == .sendContinue { progress = reader.feed([]) }
            #expect(progress == (expected == .sendContinue ? .needMore : expected))
            guard case .request(let request) = expected else { continue }
            served += 1
            if case .rpc(let body) = request.target { #expect(body.count <= input.count) }
        }
        #expect(served > 100, "the mutations leave enough whole")
    }

    @Test func `what is read as a call or an answer can be written and read again`() throws {
        var random = SplitMix(state: 2)
        var seeds = try Corpus.names("xmlrpc").map { try Corpus.bytes("xmlrpc", $0) }
        seeds.append(XMLRPCWriter.response(XMLRPCWritingTests.all))
        seeds.append(XMLRPCWriter.fault(.badName))
        var calls = 0
        var answers = 0
        for _ in 0..<8_000 {
            let input = random.mutated(seeds)
            if let call = try? XMLRPCCallReader.read(input) {
                #expect(try XMLRPCCallReader.read(XMLRPCWriter.call(call.method, call.parameters)) == call)
                calls += 1
            }
            guard let answer = try? XMLRPCResponseReader.read(input) else { continue }
            answers += 1
            switch answer {
            case .success(let value): #expect(try XMLRPCResponseReader.read(XMLRPCWriter.response(value)) == answer)
            case .failure(let fault): #expect(try XMLRPCResponseReader.read(XMLRPCWriter.fault(fault)) == answer)
            }
        }
        #expect(calls > 100 && answers > 10, "the mutations leave enough whole: \(calls), \(answers)")
    }

    @Test func `an answer is the same however it is cut`() throws {
        var random = SplitMix(state: 3)
        let seeds = HTTPResponseTests.answers.map { Array($0.utf8) }
        var complete = 0
        for _ in 0..<4_000 {
            let input = random.mutated(seeds)
            var whole = HTTPResponseReader(maxBody: 1000)
            let expected = try? whole.feed(input)
            var reader = HTTPResponseReader(maxBody: 1000)
            var body: [UInt8]? = []
            var rest = input[...]
            while !rest.isEmpty, body != nil {
                let piece = rest.prefix(1 + Int(random.next() % 16))
                rest = rest.dropFirst(piece.count)
                body = (try? reader.feed(piece)).map { (body ?? []) + $0 }
            }
            #expect(body == expected)
            guard body != nil else { continue }
            #expect(reader.isComplete == whole.isComplete)
            if reader.isComplete { complete += 1 }
        }
        #expect(complete > 100)
    }

    /// Whatever looks back, or copies what it has at each step, takes hours over these.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "<", "&", "&#1", "<a ", "<!--", "<!-- -->", "<![CDATA[", "<![CDATA[]]>", "]", "<?x", "<?x?>", "<a x='", "<a/>", "\r", "<value>",
            "a",
        ])
    func `a quarter megabyte of one thing is refused in time proportional to its length`(_ piece: String) {
        let many = [UInt8](repeatElement(Array(piece.utf8), count: (1 << 18) / piece.utf8.count).joined())
        let begin = Array("<methodCall><methodName>a</methodName><params><param><value>".utf8)
        #expect(throws: XMLRPCProblem.self) { try XMLRPCCallReader.read(many) }
        #expect(throws: XMLRPCProblem.self) { try XMLRPCCallReader.read(begin + many) }
    }

    /// The least of three times, as other work on the machine only ever adds.
    private func time(_ work: () -> Void) -> Duration {
        (0..<3).map { _ in ContinuousClock().measure(work) }.min() ?? .zero
    }

    @Test func `a body in single bytes takes time proportional to its length`() {
        let read = { (length: Int) in
            var reader = HTTPRequestReader()
            var progress = reader.feed(Array("POST /RPC2 HTTP/1.1\r\nContent-Length: \(length)\r\n\r\n".utf8))
            for _ in 0..<length { progress = reader.feed([65]) }
            #expect(progress != .needMore)
        }
        let short = time { read(1 << 15) }
        let long = time { read(1 << 19) }
        #expect(long < short * 48, "sixteen times as long a body: \(short), \(long)")
    }
}

extension SplitMix {
    /// A seed with up to four changes: a byte changed, taken out, put in, a stretch doubled, moved or from another seed.
    mutating func mutated(_ seeds: [[UInt8]]) -> [UInt8] {
        var bytes = seeds[Int(next() % UInt64(seeds.count))]
        if bytes.count > 4096 { bytes.removeLast(bytes.count - 4096) }
        for _ in 0..<(next() % 5) {
            let at = Int(next() % UInt64(bytes.count + 1))
            let end = min(bytes.count, at + Int(next() % 32))
            switch next() % 7 {
            case 0 where at < bytes.count: bytes[at] = UInt8(truncatingIfNeeded: next())
            case 1 where at < bytes.count: bytes[at] ^= 1 << UInt8(next() % 8)
            case 2: bytes.removeSubrange(at..<end)
            case 3: bytes.insert(UInt8(truncatingIfNeeded: next()), at: at)
            case 4: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 5:
                let other = seeds[Int(next() % UInt64(seeds.count))]
                let from = Int(next() % UInt64(other.count + 1))
                bytes.insert(contentsOf: other[from..<min(other.count, from + 40)], at: at)
            default: bytes.insert(contentsOf: "<>&;\r\n\0 ]-!'\"/:%".utf8.shuffled(using: &self).prefix(3), at: at)
            }
        }
        return bytes
    }
}
