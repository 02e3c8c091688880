import Events
import Glibc
import Linux
import Settings

/// The one user that all of `run` is.
enum RunAccount {
    /// nil where this process is not root and so has no choice.
    static func choose(_ settings: Settings) throws(SettingProblem) -> Account? {
        if let name = settings.user {
            guard let account = Account(named: name) else { throw SettingProblem("SENSOR_USER", name, "a user of this system") }
            guard geteuid() == 0 || account.uid == geteuid() else {
                throw SettingProblem("SENSOR_USER", name, "the user that runs this, or a start as root")
            }
            return geteuid() == 0 ? account : nil
        }
        guard geteuid() == 0 else { return nil }
        if let sensor = Account(named: "sensor") { return sensor }
        guard let owner = try? Directory(settings.dataDirectory).status(".") else { return Account(uid: 0, gid: 0) }
        return Account(uid: owner.owner, gid: owner.group)
    }

    /// Returns the line that the original container, or supervisord, logs for it.
    static func enter(_ account: Account, isExplicit: Bool) throws -> Event {
        if account.uid != 0 {
            do {
                try account.become()
                return Event(
                    .info, "user_set", "Set uid to user \(account.uid) succeeded", ["user": .text(account.name), "uid": .number(Int64(account.uid))])
            } catch {
                // Root in a container without CAP_SETUID stays what it is, unless somebody asked for a user.
                if isExplicit { throw error }
            }
        }
        return Event(.crit, "root", "Supervisor running as root (no user in config file)")
    }
}
