import CLinux
import Glibc
import Linux

/// What an open handle is bound to, and what its interface's name means now: a program that lives on while another
/// interface has got the name records nothing, and nobody would know.
struct BoundLink: Sendable {
    /// An interface as the kernel numbers it, and its kind (ARPHRD_*, netdevice(7)).
    struct Look: Equatable, Sendable {
        var index: UInt32
        var hardware: UInt16
        var isUp: Bool
    }
    enum Verdict: Equatable {
        case up, down
        case gone(String)
    }

    let name: String
    let index: UInt32
    let hardware: UInt16

    init(name: String, index: UInt32, hardware: UInt16) {
        self.name = name
        self.index = index
        self.hardware = hardware
    }

    /// nil where the handle is bound to something else than what the name means by now.
    init?(_ name: String, socket: Int32) {
        let bound = sensor_bound_index(socket)
        guard let look = Self.look(name), look.index == bound else { return nil }
        self.init(name: name, index: bound, hardware: look.hardware)
    }

    /// `look` is nil where there is no interface of this name.
    func verdict(_ look: Look?) -> Verdict {
        guard let look else { return .gone("there is no interface of this name any more") }
        if look.index != index { return .gone("another interface has its name now (number \(look.index), recorded was \(index))") }
        if look.hardware != hardware { return .gone("its link type has changed (ARPHRD \(look.hardware), was \(hardware))") }
        return look.isUp ? .up : .down
    }

    var verdict: Verdict { verdict(Self.look(name)) }

    private static func look(_ name: String) -> Look? {
        var link = sensor_link()
        guard unsafe sensor_look_at_link(name, &link) == 0 else { return nil }
        return Look(index: link.index, hardware: link.hardware, isUp: link.flags & UInt32(IFF_UP) != 0)
    }
}
