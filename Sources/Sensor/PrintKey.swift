import ArgumentParser
import Evidence
import Keygen
import Settings
import Shipper
import Spool

struct PrintKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "print-key", abstract: "Prints the sensor's public key, making the key if there is none.")

    @Flag(help: "Only the public key line.") var bare = false
    @Flag(help: "Only the fingerprint, as ssh-keygen -l prints it.") var fingerprint = false
    @Flag(help: "The restricted line for the drop account's authorized_keys; DIR is where it may write.") var authorizedKeys = false
    @Argument(help: "Directory at the target (default: that of SCP_TARGET).") var directory: String?

    func validate() throws {
        guard [bare, fingerprint, authorizedKeys].count(where: { $0 }) <= 1 else {
            throw ValidationError("--bare, --fingerprint and --authorized-keys exclude each other")
        }
        guard directory == nil || authorizedKeys else { throw ValidationError("a directory belongs to --authorized-keys") }
    }

    func run() throws {
        let settings = try Environment.settings(warn: true)
        let path = settings.dataDirectory
        if ContainerLayer.vanishes(path: path) {
            complain(
                "SENSOR_DATA_DIR='\(path)' lies on the container's own layer, so the key would vanish with it: mount a volume there (-v sensor:\(path))"
            )
            throw ExitCode(ExitStatus.failed)
        }
        do {
            let data = try DataDirectory(path)
            let pair = try KeyPair.ensure(
                in: data.path, sensorName: try data.sensorName(settings.sensorName), rsaUsable: SSHLibrary.signsRSAWithSHA2,
                hasAgent: Environment.hasAgent)
            if let warning = pair.warning { complain("warning: \(warning)") }
            if bare {
                say(pair.publicKey.line + "\n")
            } else if fingerprint {
                say(pair.publicKey.words + "\n")
            } else if authorizedKeys {
                say(try KeyBlock.authorizedKeys(pair.publicKey, directory: directory ?? settings.targetDirectory) + "\n")
            } else {
                say(KeyBlock.text(pair.publicKey))
            }
        } catch let error as KeyProblem {
            complain("\(error)")
            throw ExitCode(error.mayPass ? ExitStatus.failed : ExitStatus.wrongSetting)
        } catch let error as DataDirectoryProblem {
            complain("\(error)")
            throw ExitCode(ExitStatus.failed)
        }
    }
}

extension Settings {
    var targetDirectory: String? {
        if case .ssh(let ssh)? = target, !ssh.directory.isEmpty { return ssh.directory }
        return nil
    }
}
