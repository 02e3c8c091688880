/// What `supervisord -h` shows.
enum SupervisordUsage {
    static func text(_ name: String) -> String {
        """
        Usage: \(name) [options]

        Starts, watches and restarts the programs of a supervisord.conf.

          -c, --configuration FILE    the configuration; without it supervisord's places are searched
          -n, --nodaemon              stay in the foreground and log to stdout too
          -s, --silent                no log on stdout
          -u, --user USER             become this user, by name or number
          -m, --umask MASK            octal, when going into the background (022)
          -d, --directory DIR         change to it when going into the background
          -l, --logfile FILE          the supervisor's own log
          -y, --logfile_maxbytes SIZE rotate it at this size (50MB)
          -z, --logfile_backups N     and keep so many (10)
          -e, --loglevel LEVEL        critical error warn info debug trace blather
          -j, --pidfile FILE          where the process id is written
          -i, --identifier NAME       what it calls itself
          -q, --childlogdir DIR       where automatic logs of programs are made
          -k, --nocleanup             keep those of earlier runs
          -a, --minfds N              file descriptors needed
              --minprocs N            processes needed
          -t, --strip_ansi            take terminal sequences out of the programs' logs
          -v, --version               the version of supervisord this is compatible with
          -h, --help                  this

        """
    }
}
