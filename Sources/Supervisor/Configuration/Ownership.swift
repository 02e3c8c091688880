// Users and groups, by name or by number, as the machine knows them.

extension ConfigurationWorld {
    func user(_ text: String) throws(ConfigurationError) -> UserID {
        guard let number = PythonInteger.parse(text, base: 10) else {
            guard let user = userNamed(text) else { throw ConfigurationError("Invalid user name \(text)") }
            return user
        }
        guard let uid = UInt32(exactly: number), let user = userNumbered(uid) else {
            throw ConfigurationError("Invalid user id \(text)")
        }
        return user
    }

    /// `user` or `user:group`; nil where either is unknown.
    func owner(_ text: String) -> UnixServer.Owner? {
        let colon = text.utf8.firstIndex(of: UInt8(ascii: ":"))
        guard let user = try? user(String(text[..<(colon ?? text.endIndex)])) else { return nil }
        guard let colon else { return UnixServer.Owner(uid: user.uid, gid: nil) }
        guard let gid = group(String(text[text.utf8.index(after: colon)...])) else { return nil }
        return UnixServer.Owner(uid: user.uid, gid: gid)
    }

    private func group(_ text: String) -> UInt32? {
        guard let number = PythonInteger.parse(text, base: 10) else { return groupNamed(text) }
        return UInt32(exactly: number).flatMap { groupNumbered($0) ? $0 : nil }
    }
}
