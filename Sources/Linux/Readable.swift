/// Bytes as people read them.
public func readable(_ bytes: Int64) -> String {
    var amount = Double(bytes)
    for unit in ["B", "K", "M", "G"] {
        if amount < 1024 { return unit == "B" ? "\(bytes) B" : "\((amount * 10).rounded() / 10)\(unit)" }
        amount /= 1024
    }
    return "\((amount * 10).rounded() / 10)T"
}

/// A time span as people read it: `45 s`, `12 min`, `2 h 10`, `3 d 4 h`.
public func readable(seconds: Int64) -> String {
    let seconds = max(0, seconds)
    if seconds < 60 { return "\(seconds) s" }
    let minutes = (seconds + 30) / 60
    if minutes < 60 { return "\(minutes) min" }
    if minutes < 24 * 60 { return "\(minutes / 60) h \(pad(Int(minutes % 60), 2))" }
    let hours = (seconds + 1800) / 3600
    return hours % 24 == 0 ? "\(hours / 24) d" : "\(hours / 24) d \(hours % 24) h"
}
