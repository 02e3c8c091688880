import Evidence
import Testing

@testable import Shipper

/// A conversation with a server that says what a test makes it say.
private struct Server {
    let talk = SFTPConversation(lane: 1, directory: "/in", place: "box port 22")

    init(extensions: [(String, String)] = [(SFTP.fsync, "1"), (SFTP.statvfs, "2")], version: UInt32 = 3) throws {
        talk.greet()
        _ = asked()
        try say(2, number: version) { out in
            for (name, data) in extensions {
                out.string(name.utf8)
                out.string(data.utf8)
            }
        }
    }

    /// What was sent since, taken apart: type, number, the rest.
    func asked() -> [(type: UInt8, number: UInt32, rest: [UInt8])] {
        var out: [(UInt8, UInt32, [UInt8])] = []
        var bytes = Array(talk.out.bytes)[...]
        talk.out.drop(talk.out.count)
        func word() -> UInt32 {
            defer { bytes = bytes.dropFirst(4) }
            return bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
        while !bytes.isEmpty {
            let length = Int(word())
            let type = bytes.removeFirst()
            let number = word()
            out.append((type, number, Array(bytes.prefix(length - 5))))
            bytes = bytes.dropFirst(length - 5)
        }
        return out
    }

    func say(_ type: UInt8, number: UInt32, _ body: (ByteQueue) -> Void = { _ in }) throws {
        let message = ByteQueue(capacity: 64)
        message.uint8(type)
        message.uint32(number)
        body(message)
        hear(UInt32(message.count).bytes + Array(message.bytes))
        try talk.understand()
    }
    func hear(_ bytes: [UInt8]) {
        talk.heard.room(bytes.count).copyBytes(from: bytes)
        talk.heard.add(bytes.count)
    }
    func status(_ number: UInt32, _ code: UInt32, _ words: String = "") throws {
        try say(101, number: number) { out in
            out.uint32(code)
            out.string(words.utf8)
            out.string("en".utf8)
        }
    }
    /// A file opened for writing.
    func opened() throws -> TargetHandle {
        talk.ask(.open("f", .new, lane: 1), for: 1)
        let number = try #require(asked().first?.number)
        try say(102, number: number) { $0.string([1, 2, 3, 4]) }
        guard case .opened(let handle)? = talk.takeAnswers().first?.answer else { throw ShipFault(.passing, "no handle") }
        return handle
    }
}
extension UInt32 {
    fileprivate var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> $0) } }
}

@Suite struct SFTPTests {
    @Test("a file is opened as said: never truncated, never over another, with mode 0640")
    func opening() throws {
        let table: [(TargetCall.OpenMode, UInt32)] = [(.new, 0x2a), (.any, 0x0a), (.existing, 2), (.reading, 1)]
        for (mode, flags) in table {
            let server = try Server()
            server.talk.ask(.open("a b", mode, lane: 1), for: 7)
            let asked = try #require(server.asked().first)
            #expect(asked.type == 3)
            let path = Array("/in/a b".utf8)
            let attributes: [UInt8] = [0, 0, 0, 4, 0, 0, 1, 0xa0]
            let expected: [UInt8] = [0, 0, 0, 7] + path + flags.bytes + attributes
            #expect(asked.rest == expected)
        }
    }

    @Test("a write carries handle, offset and bytes, and its answer names who asked")
    func writing() throws {
        let server = try Server()
        let handle = try server.opened()
        let isAsked = server.talk.write(handle, 5_000_000_000..<5_000_000_003, for: 42) {
            $0.copyBytes(from: [7, 8, 9])
            return true
        }
        #expect(isAsked)
        let asked = try #require(server.asked().first)
        #expect(asked.type == 6)
        #expect(asked.rest == [0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 1, 0x2a, 0x05, 0xf2, 0, 0, 0, 0, 3, 7, 8, 9])
        try server.status(asked.number, 0)
        let answer = try #require(server.talk.takeAnswers().first)
        #expect(answer.owner == 42)
        #expect(answer.call == .write(handle, offset: 5_000_000_000, count: 3))
        #expect(answer.answer == .done)
        #expect(server.talk.underWay == 0)
    }

    @Test("answers in any order reach their questions")
    func anyOrder() throws {
        let server = try Server()
        for owner in 1...3 { server.talk.ask(.look("f\(owner)", lane: 1), for: owner) }
        let numbers = server.asked().map(\.number)
        for at in [2, 0, 1] { try server.status(numbers[at], UInt32(2 + at)) }
        let answers = server.talk.takeAnswers()
        #expect(answers.map(\.owner) == [3, 1, 2])
        #expect(answers.map(\.answer) == [.refused(.other("SFTP status 4")), .refused(.missing), .refused(.denied)])
    }

    @Test("what the server does not offer is not asked for")
    func withoutExtensions() throws {
        let server = try Server(extensions: [])
        let handle = try server.opened()
        server.talk.ask(.sync(handle), for: 1)
        server.talk.ask(.space(lane: 1), for: 1)
        #expect(server.asked().isEmpty)
        #expect(server.talk.takeAnswers().map(\.answer) == [.refused(.unsupported), .refused(.unsupported)])
    }

    @Test(
        "a longer write is used only where the server says that it takes it",
        arguments: [(UInt64(261_120), 261_120), (1_000, 32_768), (1 << 40, 261_120)])
    func limits(said: UInt64, used: Int) throws {
        let server = try Server(extensions: [(SFTP.limits, "1")])
        let asked = try #require(server.asked().first)
        #expect(asked.type == 200)
        #expect(server.talk.longestWrite == 32_768)
        try server.say(201, number: asked.number) { out in for value in [262_144, 261_120, said, 1000] as [UInt64] { out.uint64(value) } }
        #expect(server.talk.longestWrite == used)
        #expect(server.talk.mostOpen == 500)
        #expect(server.talk.takeAnswers().isEmpty)
    }

    @Test("free space is what the account may use, and none where there are no inodes or nothing may be written")
    func space() throws {
        let server = try Server()
        let kinds: [(inodes: UInt64, flags: UInt64, answer: TargetAnswer)] = [
            (10, 0, .space(4096 * 77)), (10, 2, .space(4096 * 77)), (0, 0, .space(0)), (10, 1, .refused(.readOnly)),
        ]
        for (inodes, flags, answer) in kinds {
            server.talk.ask(.space(lane: 1), for: 1)
            let number = try #require(server.asked().first?.number)
            try server.say(201, number: number) { out in
                for value in [512, 4096, 1000, 100, 77, 50, 20, inodes, 0, flags, 255] as [UInt64] { out.uint64(value) }
            }
            #expect(server.talk.takeAnswers().map(\.answer) == [answer])
        }
    }

    @Test("text before the protocol is shown in the fault, which is the operator's")
    func banner() {
        let talk = SFTPConversation(lane: 1, directory: "", place: "box port 22")
        let bytes = Array("Welcome to the \u{1b}[31mbox\n".utf8)
        talk.heard.room(bytes.count).copyBytes(from: bytes)
        talk.heard.add(bytes.count)
        #expect {
            try talk.understand()
        } throws: { error in
            let fault = error as? ShipFault
            return fault?.kind == .operators && "\(error)".contains("Welcome to the  [31mbox")
        }
    }

    @Test("a server that answers what was not asked, not what was asked, or nonsense, is given up")
    func hostile() throws {
        func isGivenUp(_ body: (Server) throws -> Void) throws -> Bool {
            let server = try Server()
            do { try body(server) } catch is ShipFault { return true }
            return false
        }
        #expect(try isGivenUp { try $0.status(99, 0) }, "no such question")
        #expect(try isGivenUp { try $0.say(2, number: 3) }, "a second greeting")
        #expect(try isGivenUp { try $0.say(77, number: 1) }, "no such reply")
        #expect(
            try isGivenUp {
                $0.hear([0xff, 0xff, 0xff, 0xff, 101])
                try $0.talk.understand()
            }, "a length of 4 GiB")
        #expect(
            try isGivenUp {
                $0.hear([0, 0, 0, 0, 0])
                try $0.talk.understand()
            }, "a length of nothing")
        for (call, type) in [(TargetCall.look("f", lane: 1), UInt8(102)), (.open("f", .new, lane: 1), 105), (.remove("f", lane: 1), 103)] {
            #expect(
                try isGivenUp { server in
                    server.talk.ask(call, for: 1)
                    let number = try #require(server.asked().first?.number)
                    try server.say(type, number: number) { $0.string([1]) }
                }, "\(call) answered by \(type)")
        }
        #expect(
            try isGivenUp { server in
                server.talk.ask(.open("f", .new, lane: 1), for: 1)
                let number = try #require(server.asked().first?.number)
                try server.say(102, number: number) { $0.string([UInt8](repeating: 1, count: 257)) }
            }, "a handle longer than any")
        #expect(
            try isGivenUp { server in
                server.talk.ask(.open("f", .new, lane: 1), for: 1)
                try server.status(try #require(server.asked().first?.number), 0)
            }, "an open that is only 'ok'")
    }

    @Test("random bytes and damaged replies never do more than end the connection")
    func random() throws {
        var dice = Dice(7)
        var ended = 0
        for round in 0..<4000 {
            let server = try Server()
            let handle = try server.opened()
            let calls: [TargetCall] = [
                .look("f", lane: 1), .size(handle), .sync(handle), .space(lane: 1), .read(handle, offset: 0, count: 100),
            ]
            for call in calls { server.talk.ask(call, for: 1) }
            var bytes: [UInt8] = []
            for asked in server.asked() {
                let types: [UInt8] = [101, 102, 103, 104, 105, 201]
                var body: [UInt8] = [types[dice.below(6)]]
                body += asked.number.bytes
                let words = (0..<dice.below(40)).map { _ in UInt8(truncatingIfNeeded: dice.below(dice.below(3) == 0 ? 256 : 3)) }
                body += words
                bytes += UInt32(body.count).bytes + body
            }
            if round % 3 == 0, !bytes.isEmpty { bytes[dice.below(bytes.count)] ^= UInt8(1 << dice.below(8)) }
            do {
                // In crumbs, as the network may bring them.
                var rest = bytes[...]
                while !rest.isEmpty {
                    let part = rest.prefix(1 + dice.below(30))
                    server.hear(Array(part))
                    rest = rest.dropFirst(part.count)
                    try server.talk.understand()
                }
            } catch { ended += 1 }
            #expect(server.talk.takeAnswers().count <= calls.count)
        }
        #expect(ended > 1000)
    }
}

@Suite struct StreamPlanTests {
    /// Lets `seconds` pass with `perStream` bytes per second for each stream up to `link`; streams come after a second.
    private func run(
        _ plan: inout StreamPlan, from start: Double = 0, seconds: Double, perStream: Double, link: Double, roundTrip: Double = 0.1
    ) {
        var done = 0.0
        var streams = 1
        var readyAt: Double?
        for tick in 0..<Int(seconds * 20) {
            let now = start + Double(tick) / 20
            done += min(link, perStream * Double(streams)) / 20
            plan.look(at: now, streams: streams, waiting: 100 << 20, done: Int64(done), roundTrip: roundTrip, isHeld: false)
            if plan.wanted > streams {
                let ready = readyAt ?? now + 1
                readyAt = ready
                if now >= ready { (streams, readyAt) = (plan.wanted, nil) }
            } else if plan.wanted < streams {
                streams = plan.wanted
            }
        }
    }

    @Test("where each stream carries more, all are used; where the second brings nothing, it is given back")
    func growth() {
        var plan = StreamPlan()
        #expect(plan.wanted == 1)
        run(&plan, seconds: 20, perStream: 1e6, link: 1e9)
        #expect(plan.wanted == 4)
        var narrow = StreamPlan()
        run(&narrow, seconds: 50, perStream: 1e6, link: 1e6)
        #expect(narrow.wanted == 1)
        var half = StreamPlan()
        run(&half, seconds: 140, perStream: 1e6, link: 2e6)
        #expect((2...4).contains(half.wanted))
    }

    @Test("much work over a long line gets all at once, less work one more")
    func work() {
        var plan = StreamPlan()
        plan.look(at: 0, streams: 1, waiting: 64 << 20, done: 0, roundTrip: 0.1, isHeld: false)
        #expect(plan.wanted == 4)
        plan.refused(beyond: 2, at: 0.5)
        plan.look(at: 1, streams: 2, waiting: 64 << 20, done: 1 << 20, roundTrip: 0.1, isHeld: false)
        plan.look(at: 2, streams: 2, waiting: 64 << 20, done: 4 << 20, roundTrip: 0.1, isHeld: false)
        #expect(plan.wanted == 2, "as many as the server takes")
        var little = StreamPlan()
        little.look(at: 0, streams: 1, waiting: 8 << 20, done: 0, roundTrip: 0.1, isHeld: false)
        #expect(little.wanted == 2)
    }

    @Test("near by, one is enough, and little work is worth no second one")
    func near() {
        var plan = StreamPlan()
        run(&plan, seconds: 5, perStream: 1e6, link: 1e9, roundTrip: 0.0005)
        #expect(plan.wanted == 1)
        plan.look(at: 10, streams: 1, waiting: 1 << 20, done: 0, roundTrip: 0.1, isHeld: false)
        #expect(plan.wanted == 1)
        plan.look(at: 11, streams: 1, waiting: 100 << 20, done: 0, roundTrip: 0.1, isHeld: true)
        #expect(plan.wanted == 1, "a rate limit is no narrow link")
    }

    @Test("what a server refuses is not asked for again for ten minutes, and without work all but one are given back")
    func limits() {
        var plan = StreamPlan()
        run(&plan, seconds: 0.2, perStream: 1e6, link: 1e9)
        #expect(plan.wanted == 4)
        plan.refused(beyond: 1, at: 1)
        run(&plan, from: 1, seconds: 300, perStream: 1e6, link: 1e9)
        #expect(plan.wanted == 1)
        run(&plan, from: 700, seconds: 20, perStream: 1e6, link: 1e9)
        #expect(plan.wanted == 4)
        plan.look(at: 800, streams: 4, waiting: 0, done: 0, roundTrip: 0.1, isHeld: false)
        #expect(plan.wanted == 4)
        plan.look(at: 806, streams: 4, waiting: 0, done: 0, roundTrip: 0.1, isHeld: false)
        #expect(plan.wanted == 1)
    }
}

@Suite struct ArrivalOrderTests {
    private func place(_ number: Int) -> SeriesPlace { SeriesPlace("s@e-20261125T000000Z-000000000\(number).pcap") }

    @Test("a turn comes when all before have passed; where the target keeps order, right behind them")
    func turns() {
        for keepsOrder in [true, false] {
            var order = ArrivalOrder()
            for number in [3, 1, 2] { order.add(number, place(number)) }
            #expect(order.turns(over: 1, keepsOrder: keepsOrder) { $0 != 1 } == [], "the oldest is not ready")
            #expect(order.turns(over: 1, keepsOrder: keepsOrder) { _ in true } == (keepsOrder ? [1, 2, 3] : [1]))
            order.pass(1)
            #expect(order.turns(over: 1, keepsOrder: keepsOrder) { $0 == 2 } == [2])
        }
    }

    @Test("nobody overtakes a file whose turn was on a lane that is lost")
    func lost() {
        var order = ArrivalOrder()
        for number in 1...2 { order.add(number, place(number)) }
        #expect(order.turns(over: 1, keepsOrder: true) { $0 == 1 } == [1])
        #expect(order.turns(over: 2, keepsOrder: true) { $0 == 2 } == [], "1 is still under way on lane 1")
        #expect(order.turns(over: 2, keepsOrder: true) { _ in true } == [1, 2])
    }

    @Test("series do not wait for each other, and files that others wrote are one")
    func series() {
        var order = ArrivalOrder()
        order.add(1, SeriesPlace("s@a-20261125T000000Z-0000000001.pcap"))
        order.add(2, SeriesPlace("s@b-20261125T000000Z-0000000001.pcap"))
        order.add(3, SeriesPlace("y.pcap"))
        order.add(4, SeriesPlace("x.pcap"))
        #expect(Set(order.turns(over: 1, keepsOrder: false) { $0 != 1 }) == [2, 4])
    }
}

@Suite struct DialerTests {
    private func address(_ family: Int32, _ text: String) -> SocketAddress { SocketAddress(family: family, bytes: [], text: text) }

    @Test("families are tried by turns, the resolver's first one first")
    func families() {
        let list = [address(10, "a6"), address(10, "b6"), address(2, "a4"), address(2, "b4"), address(2, "c4")]
        #expect(Dialer.interleaved(list).map(\.text) == ["a6", "a4", "b6", "b4", "c4"])
        #expect(Dialer.interleaved([]).isEmpty)
    }

    @Test(
        "what a server says in place of SSH is told, and what it means where sshd says it",
        arguments: [
            ("Exceeded MaxStartups", "sshd: MaxStartups"), ("Not allowed at this time", "PerSourcePenalties"),
            ("HTTP/1.1 400 Bad Request", "is it an SSH server?"),
        ])
    func otherThanSSH(line: String, meaning: String) {
        let fault = Dialer.answered(line, address(2, "192.0.2.7"), 2222)
        #expect(fault.kind == .passing)
        for words in ["192.0.2.7 port 2222", "\"\(line)\"", meaning] { #expect(fault.description.contains(words)) }
    }
}
