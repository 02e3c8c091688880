/// A user and password, and HTTP's Basic way to tell them (RFC 7617).
public struct BasicCredentials: Sendable, Equatable {
    public let user: String
    /// As in the configuration: the password, or on the server `{SHA}` and the SHA-1 of it in hexadecimal.
    public let password: String

    public init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// The value of the client's Authorization field. `{SHA}` means nothing here.
    public var authorization: String {
        "Basic " + String(decoding: Base64.encode(Array("\(user):\(password)".utf8)), as: UTF8.self)
    }

    /// Whether the one value of Authorization tells this user and password. Time depends on the lengths of what was sent, never on
    /// how much of it is right. Anything malformed is simply not admitted.
    func admit(_ authorizations: [String]) -> Bool {
        guard authorizations.count == 1 else { return false }
        let parts = authorizations[0].split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "basic", let told = Base64.decode(parts[1].utf8) else { return false }
        guard let colon = told.firstIndex(of: UInt8(ascii: ":")) else { return false }
        let rightUser = Self.same(told[..<colon], Array(user.utf8))
        let rightPassword = isPassword(told[(colon + 1)...])
        return rightUser && rightPassword
    }

    private func isPassword(_ told: ArraySlice<UInt8>) -> Bool {
        let mark = "{SHA}"
        guard password.hasPrefix(mark) else { return Self.same(told, Array(password.utf8)) }
        let digest = SHA1.digest(Array(told)).flatMap { [SHA1.digit($0 >> 4), SHA1.digit($0 & 15)] }
        return Self.same(digest[...], Array(password.dropFirst(mark.count).lowercased().utf8))
    }

    /// Looks at every byte of `told`, whatever the outcome.
    static func same(_ told: ArraySlice<UInt8>, _ right: [UInt8]) -> Bool {
        var difference: UInt8 = told.count == right.count ? 0 : 1
        for (index, byte) in told.enumerated() { difference |= right.isEmpty ? 1 : byte ^ right[index % right.count] }
        return difference == 0
    }
}

/// SHA-1 (RFC 3174). Broken as a signature; here it only has to agree with `{SHA}` passwords of existing configurations.
enum SHA1 {
    static func digest(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        while padded.count % 64 != 56 { padded.append(0) }
        let bits = UInt64(message.count) * 8
        for shift in stride(from: UInt64(56), through: 0, by: -8) { padded.append(UInt8(truncatingIfNeeded: bits >> shift)) }

        var h: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        for start in stride(from: 0, to: padded.count, by: 64) {
            var w = (0..<16).map { word in padded[start + word * 4..<start + word * 4 + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
            for t in 16..<80 { w.append(rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], by: 1)) }
            var (a, b, c, d, e) = (h[0], h[1], h[2], h[3], h[4])
            for t in 0..<80 {
                let (f, k): (UInt32, UInt32) =
                    switch t {
                    case ..<20: (b & c | ~b & d, 0x5A82_7999)
                    case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                    case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                    default: (b ^ c ^ d, 0xCA62_C1D6)
                    }
                (a, b, c, d, e) = (rotated(a, by: 5) &+ f &+ e &+ k &+ w[t], a, rotated(b, by: 30), c, d)
            }
            h = [h[0] &+ a, h[1] &+ b, h[2] &+ c, h[3] &+ d, h[4] &+ e]
        }
        return h.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }

    private static func rotated(_ word: UInt32, by bits: UInt32) -> UInt32 { word << bits | word >> (32 - bits) }

    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
}
