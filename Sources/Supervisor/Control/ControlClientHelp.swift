extension ControlClientCommands {
    /// All actions in columns, as the original shows them.
    static let overview = [
        "",
        "default commands (type help <topic>):",
        "=====================================",
        "add    exit      open  reload  restart   start   tail   ",
        "avail  fg        pid   remove  shutdown  status  update ",
        "clear  maintail  quit  reread  signal    stop    version",
        "",
    ]

    /// What `help ACTION` and a usage error show.
    static let help: [String: [String]] = [
        "add": ["add <group>...\t\tTake groups of the configuration file into service"],
        "avail": ["avail\t\t\tList every configured process, in use or not"],
        "clear": [
            "clear <name>\t\tEmpty the logs of one process",
            "clear <name> <name>\tEmpty the logs of several processes",
            "clear all\t\tEmpty the logs of every process",
        ],
        "exit": ["exit\t\t\tLeave this shell"],
        "fg": ["fg <name>\t\tType to a process and see what it writes", "\t\t\tCtrl-C comes back"],
        "help": ["help\t\t\tList the actions", "help <action>\t\tExplain one action"],
        "maintail": [
            "maintail\t\tShow the last 1600 bytes of the supervisor's own log",
            "maintail -<n>\t\tShow the last <n> bytes of it",
            "maintail -f\t\tShow it as it grows, until Ctrl-C",
        ],
        "open": ["open <url>\t\tTalk to another supervisor:", "\t\t\tunix:///path/of/socket or http://host:port"],
        "pid": [
            "pid\t\t\tShow the pid of the supervisor",
            "pid <name>\t\tShow the pid of a process, 0 if it has none",
            "pid all\t\t\tShow the pids of all processes, a line each",
        ],
        "quit": ["quit\t\t\tLeave this shell"],
        "reload": ["reload\t\t\tStop everything and start the supervisor anew"],
        "remove": ["remove <group>...\tTake stopped groups out of service"],
        "reread": ["reread\t\t\tRead the configuration file and tell what changed, without doing it"],
        "restart": [
            "restart <name>\t\tStop and start one process",
            "restart <group>:*\tStop and start all processes of a group",
            "restart <name> <name>\tStop and start several processes or groups",
            "restart all\t\tStop and start everything",
            "A changed configuration file is not looked at: see reread and update.",
        ],
        "shutdown": ["shutdown\t\tStop everything and end the supervisor"],
        "signal": [
            "signal <signal> <name>\t\tSignal one process",
            "signal <signal> <group>:*\tSignal all processes of a group",
            "signal <signal> <name> <name>\tSignal several processes or groups",
            "signal <signal> all\t\tSignal every process",
        ],
        "start": [
            "start <name>\t\tStart one process",
            "start <group>:*\t\tStart all processes of a group",
            "start <name> <name>\tStart several processes or groups",
            "start all\t\tStart everything",
        ],
        "status": [
            "status\t\t\tShow the state of every process",
            "status <name>\t\tShow the state of one process",
            "status <group>:*\tShow the state of all processes of a group",
            "status <name> <name>\tShow the state of several processes or groups",
        ],
        "stop": [
            "stop <name>\t\tStop one process",
            "stop <group>:*\t\tStop all processes of a group",
            "stop <name> <name>\tStop several processes or groups",
            "stop all\t\tStop everything",
        ],
        "tail": [
            "tail [-f | -<n>] <name> [stdout | stderr]",
            "Such as:",
            "tail <name>\t\tShow the last 1600 bytes a process wrote to stdout",
            "tail <name> stderr\tThe same of stderr",
            "tail -100 <name>\tShow the last 100 bytes",
            "tail -f <name>\t\tShow it as it grows, until Ctrl-C",
        ],
        "update": [
            "update\t\t\tRead the configuration file and do what it asks: add, remove, restart",
            "update all\t\tThe same",
            "update <group>...\tThe same for these groups only",
        ],
        "version": ["version\t\t\tShow the version of the supervisor"],
    ]
}
