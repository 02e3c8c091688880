import ArgumentParser
import Capture
import Evidence
import Glibc
import Keygen
import Linux
import Settings
import Shipper

/// The settings as every command finds them, checked before anything starts.
enum Environment {
    static func all() -> [String: String] {
        var out: [String: String] = [:]
        var at = 0
        while let entry = unsafe environ[at] {
            at += 1
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "=") { out[String(text[..<equals])] = String(text[text.index(after: equals)...]) }
        }
        return out
    }

    /// All settings, with `override` applied; ends with 78 and a line for each that is wrong.
    static func settings(
        warn: Bool, keyFlag: Bool = false,
        override: (inout Settings) throws(SettingProblem) -> Void = { (_: inout Settings) throws(SettingProblem) in }
    ) throws -> Settings {
        let loaded = load(keyFlag: keyFlag, override: override)
        for problem in loaded.problems { complain(problem.description) }
        if !loaded.problems.isEmpty { throw ExitCode(ExitStatus.wrongSetting) }
        if warn { for warning in loaded.warnings { complain("warning: \(warning)") } }
        return loaded.settings
    }

    /// All settings and all that is wrong with them.
    static func load(keyFlag: Bool = false, override: (inout Settings) throws(SettingProblem) -> Void) -> LoadedSettings {
        var loaded = Settings.load(all())
        do { try override(&loaded.settings) } catch { loaded.problems.append(error) }
        if let filter = loaded.settings.filter, let words = PcapFilter.problem(in: filter), !PcapFilter.mayPass(words) {
            loaded.problems.append(SettingProblem("PCAP_BPF_FILTER", filter, "a filter as in pcap-filter(7): libpcap says \(words)"))
        }
        for file in loaded.settings.arguments.identityFiles {
            do { _ = try KeyPair.inspect(path: expand(file), rsaUsable: SSHLibrary.signsRSAWithSHA2, hasAgent: hasAgent) } catch {
                loaded.problems.append(
                    keyFlag
                        ? SettingProblem("--key", file, "a usable private key: \(error)")
                        : SettingProblem("SCP_ARGUMENTS", "-i \(file)", "a usable private key: \(error)"))
            }
        }
        let arguments = loaded.settings.arguments
        for (option, names, method, example) in [
            ("Ciphers", arguments.ciphers, SSHLibrary.Method.cipher, "ciphers that libssh2 knows, as aes128-ctr"),
            ("HostKeyAlgorithms", arguments.hostKeyAlgorithms, .hostKey, "host key types that libssh2 knows, as ssh-ed25519"),
        ] where !names.isEmpty && !SSHLibrary.knows(method, oneOf: names) {
            loaded.problems.append(SettingProblem("SCP_ARGUMENTS", "\(option)=\(names.joined(separator: ","))", example))
        }
        if case .directory(let path)? = loaded.settings.target, let spool = overlap(path, with: loaded.settings.dataDirectory + "/spool") {
            loaded.problems.append(
                SettingProblem("SCP_TARGET", path, "a directory outside the spool \(spool): files would be delivered onto themselves"))
        }
        return loaded
    }

    /// Keys may come from an ssh-agent.
    static var hasAgent: Bool { all()["SSH_AUTH_SOCK"]?.isEmpty == false }

    /// The spool's path when `path` is it, or lies inside it: by names, links and mounts.
    static func overlap(_ path: String, with spool: String) -> String? {
        guard let inside = try? Directory(path), let outside = try? Directory(spool), (try? inside.isWithin(outside)) == true else {
            return nil
        }
        return spool
    }

    /// `~/` as ssh takes it.
    static func expand(_ path: String) -> String {
        guard path.hasPrefix("~/"), let home = all()["HOME"] else { return path }
        return home + path.dropFirst(1)
    }

    static func missingTarget() -> ExitCode {
        say("[ERROR] No target specified for scp ($SCP_TARGET)\n")
        return ExitCode(ExitStatus.failed)
    }
}
