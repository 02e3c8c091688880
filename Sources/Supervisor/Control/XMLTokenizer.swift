/// Cuts an XML 1.0 document into tags and text, for both directions of XML-RPC.
///
/// Taken: UTF-8 with or without its mark, a declaration, comments, processing instructions, CDATA, attributes (skipped),
/// numeric character references and the five predefined entities. Line ends become LF (XML 1.0, 2.11).
/// Refused: a document type and with it every other entity, another encoding, characters XML does not have (2.2).
/// Every byte is looked at a fixed number of times. That tags match is the caller's business.
struct XMLTokenizer {
    enum Token: Equatable {
        case start(String)
        case end(String)
        /// All text between two tags, never empty.
        case text([UInt8])
        case finished
    }

    static let longestName = 64
    /// Digits of a character reference, leading zeros included.
    static let longestReference = 10

    private let bytes: [UInt8]
    private(set) var position = 0
    /// `<name/>` is told as a start and an end.
    private var owedEnd: String?

    /// Throws when the bytes as a whole are no text for XML.
    init(_ document: [UInt8]) throws(XMLRPCProblem) {
        bytes = document
        if let bad = XMLText.firstBadByte(document) { throw XMLRPCProblem(reason: "not a character of XML in UTF-8", offset: bad) }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        if looking(at: "<?xml"), let next = peek(5), XMLText.isBlank(next) { try skipDeclaration() }
    }

    mutating func next() throws(XMLRPCProblem) -> Token {
        if let name = owedEnd {
            owedEnd = nil
            return .end(name)
        }
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "<") else {
                try takeCharacter(byte, into: &text)
                continue
            }
            if looking(at: "<!--") {
                try skip("<!--", upTo: "--")
                guard looking(at: ">") else { throw problem("two hyphens within a comment") }
                position += 1
            } else if looking(at: "<![CDATA[") {
                try takeSection(into: &text)
            } else if looking(at: "<?") {
                guard !looking(at: "<?xml ") else { throw problem("a declaration that does not come first") }
                try skip("<?", upTo: "?>")
            } else if !text.isEmpty {
                break
            } else if looking(at: "<!") {
                throw problem("a document type is not taken")
            } else {
                return try takeTag()
            }
        }
        return text.isEmpty ? .finished : .text(text)
    }

    func problem(_ reason: String) -> XMLRPCProblem { XMLRPCProblem(reason: reason, offset: position) }

    // MARK: tags

    private mutating func takeTag() throws(XMLRPCProblem) -> Token {
        position += 1
        if peek(0) == UInt8(ascii: "/") {
            position += 1
            let name = try takeName()
            skipBlanks()
            guard peek(0) == UInt8(ascii: ">") else { throw problem("an end tag is not closed") }
            position += 1
            return .end(name)
        }
        let name = try takeName()
        while true {
            let blanks = skipBlanks()
            switch peek(0) {
            case UInt8(ascii: ">"):
                position += 1
                return .start(name)
            case UInt8(ascii: "/"):
                guard peek(1) == UInt8(ascii: ">") else { throw problem("a stray slash in a tag") }
                position += 2
                owedEnd = name
                return .start(name)
            case nil: throw problem("a tag is not closed")
            default:
                guard blanks > 0 else { throw problem("no blank before an attribute") }
                try skipAttribute()
            }
        }
    }

    private mutating func takeName() throws(XMLRPCProblem) -> String {
        let start = position
        while let byte = peek(0), XMLText.isNameByte(byte) { position += 1 }
        guard position > start, XMLText.beginsName(bytes[start]) else { throw problem("a name is missing") }
        guard position - start <= Self.longestName else { throw problem("a name is too long") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func skipAttribute() throws(XMLRPCProblem) {
        _ = try takeName()
        skipBlanks()
        guard peek(0) == UInt8(ascii: "=") else { throw problem("an attribute has no value") }
        position += 1
        skipBlanks()
        guard let quote = peek(0), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw problem("an attribute's value is not quoted")
        }
        position += 1
        while let byte = peek(0), byte != quote {
            guard byte != UInt8(ascii: "<") else { throw problem("a tag within an attribute") }
            position += 1
        }
        guard peek(0) != nil else { throw problem("an attribute's value has no end") }
        position += 1
    }

    // MARK: text

    private mutating func takeCharacter(_ byte: UInt8, into text: inout [UInt8]) throws(XMLRPCProblem) {
        switch byte {
        case UInt8(ascii: "&"): try takeReference(into: &text)
        case UInt8(ascii: "]") where looking(at: "]]>"): throw problem("the end of a CDATA section without its start")
        default: takeLiteral(byte, into: &text)
        }
    }

    /// CRLF and CR are LF.
    private mutating func takeLiteral(_ byte: UInt8, into text: inout [UInt8]) {
        let isReturn = byte == UInt8(ascii: "\r")
        text.append(isReturn ? UInt8(ascii: "\n") : byte)
        position += isReturn && peek(1) == UInt8(ascii: "\n") ? 2 : 1
    }

    /// `&lt;`, `&#10;`, `&#xA;` and their like.
    private mutating func takeReference(into text: inout [UInt8]) throws(XMLRPCProblem) {
        let start = position + 1
        let limit = min(bytes.count, start + Self.longestReference + 3)
        guard let end = bytes[start..<limit].firstIndex(of: UInt8(ascii: ";")), end > start else {
            throw problem("an ampersand that begins no reference")
        }
        guard let character = XMLText.character(named: bytes[start..<end]) else { throw problem("an entity that is not predefined") }
        text += Array(String(character).utf8)
        position = end + 1
    }

    private mutating func takeSection(into text: inout [UInt8]) throws(XMLRPCProblem) {
        position += 9
        while position < bytes.count {
            if looking(at: "]]>") {
                position += 3
                return
            }
            takeLiteral(bytes[position], into: &text)
        }
        throw problem("a CDATA section has no end")
    }

    // MARK: what is skipped

    /// Past `ending`, from what opens with `opening`.
    private mutating func skip(_ opening: String, upTo ending: String) throws(XMLRPCProblem) {
        let start = position
        position += opening.utf8.count
        while position < bytes.count {
            if looking(at: ending) {
                position += ending.utf8.count
                return
            }
            position += 1
        }
        position = start
        throw problem("a comment or instruction has no end")
    }

    private mutating func skipDeclaration() throws(XMLRPCProblem) {
        let start = position
        try skip("<?", upTo: "?>")
        let words = String(decoding: bytes[start..<position], as: UTF8.self).lowercased()
        let parts = words.split { $0 == "=" || $0 == "\"" || $0 == "'" || $0.isWhitespace }
        guard let name = parts.firstIndex(of: "encoding") else { return }
        guard name + 1 < parts.count, ["utf-8", "us-ascii"].contains(parts[name + 1]) else {
            position = start
            throw problem("an encoding other than UTF-8")
        }
    }

    // MARK: looking

    private func peek(_ ahead: Int) -> UInt8? { position + ahead < bytes.count ? bytes[position + ahead] : nil }

    private func looking(at text: String) -> Bool { peek(0) == text.utf8.first && bytes[position...].starts(with: text.utf8) }

    @discardableResult private mutating func skipBlanks() -> Int {
        let start = position
        while let byte = peek(0), XMLText.isBlank(byte) { position += 1 }
        return position - start
    }
}
