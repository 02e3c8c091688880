import Events
import Glibc
import Linux
import Settings

/// The one user that all of `run` is.
enum RunAccount {
    /// nil where this process is not root and so has no choice.
    static func choose(_ settings: Settings) throws(SettingProblem) -> Account? {
        let isRoot = geteuid() == 0
        if let name = settings.user {
            guard let account = Account(named: name) else { throw SettingProblem("SENSOR_USER", name, "a user of this system") }
            if account.uid == geteuid() { return isRoot ? account : nil }
            guard isRoot, Account.canChange else {
                throw SettingProblem("SENSOR_USER", name, "the user that runs this, or a start as root with CAP_SETUID and CAP_SETGID")
            }
            return account
        }
        guard isRoot else { return nil }
        let root = Account(uid: 0, gid: 0)
        guard Account.canChange else { return root }
        if let sensor = Account(named: "sensor") { return sensor }
        guard let owner = try? Directory(settings.dataDirectory).status(".") else { return root }
        return Account(uid: owner.owner, gid: owner.group)
    }

    /// Returns the line that the original container, or supervisord, logs for it.
    static func enter(_ account: Account) throws(SystemError) -> Event {
        if account.uid == 0 { return Event(.crit, "root", "Supervisor running as root (no user in config file)") }
        try account.become()
        return Event(
            .info, "user_set", "Set uid to user \(account.uid) succeeded",
            ["user": .text(account.name), "uid": .number(Int64(account.uid))])
    }
}
