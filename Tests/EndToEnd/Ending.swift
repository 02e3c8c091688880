import Supervisor

/// Testing has a type of the same name.
typealias Ending = ExitStatus
