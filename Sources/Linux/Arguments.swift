import CLinux

/// The words this process was started with, its own name first.
public enum Arguments {
    public static let all: [String] = (0..<sensor_argument_count()).map { unsafe String(cString: sensor_argument($0)) }
}
