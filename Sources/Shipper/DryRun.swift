import Events
import Linux
import Spool

/// What would be delivered now, in this order. Sends nothing, asks nobody, changes nothing.
public enum DryRun {
    /// Returns the exit code.
    public static func run(_ options: ShipOptions) -> Int32 {
        let log = WorkerLog(options.face)
        do throws(ShipFault) {
            var watch = try ShipFault.here { () throws(SystemError) in try SpoolWatch(options.spool) }
            let spool = try ShipFault.here { () throws(SystemError) in try Directory(options.spool) }
            var total: Int64 = 0
            var files = 0
            for file in try watch.finished() {
                guard let size = ((try? spool.status(file)) ?? nil)?.size else { continue }
                files += 1
                total = total.addingSaturated(size)
                log.say(
                    Event(
                        .info, "would_deliver", "would deliver \(file) bytes=\(size)",
                        ["file": .text(file), "bytes": .number(size), "target": .text(options.label)]))
            }
            let resting = watch.nextLook == nil ? "" : ", and at least one that is still being written"
            log.say(
                Event(
                    .info, "dry_run",
                    "\(files) \(files == 1 ? "file" : "files") of \(total) bytes would go to \(options.label)\(resting); nothing was sent",
                    ["files": .number(Int64(files)), "bytes": .number(total), "target": .text(options.label)]))
            return 0
        } catch {
            log.say(Event(.erro, "ship_failed", "\(error)", ["reason": .text("\(error)")]))
            return 1
        }
    }
}
