# An SFTP server over a directory, by paramiko: sftp-server ADDRESS PORT HOST_KEY AUTHORIZED_KEYS DIRECTORY [errors]
# With `errors` it writes to its standard error as well, without end.
# Plain SFTP version 3, without any of OpenSSH's extensions: no fsync, no statvfs, no limits.
import os
import socket
import sys
import threading

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer

address, port, host_key, authorized, directory = sys.argv[1:6]
floods = sys.argv[6:] == ["errors"]


class Login(paramiko.ServerInterface):
    def check_auth_publickey(self, username, key):
        known = [line.split()[1] for line in open(authorized) if line.strip()]
        return paramiko.AUTH_SUCCESSFUL if key.get_base64() in known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username):
        return "publickey"

    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED


class Handle(SFTPHandle):
    def stat(self):
        return SFTPAttributes.from_stat(os.fstat(self.writefile.fileno()))

    def chattr(self, attributes):
        return paramiko.SFTP_OK


def answered(call):
    def wrapped(self, *arguments):
        try:
            result = call(self, *arguments)
            return paramiko.SFTP_OK if result is None else result
        except OSError as error:
            return SFTPServer.convert_errno(error.errno)

    return wrapped


class Files(paramiko.SFTPServerInterface):
    def real(self, path):
        return directory + self.canonicalize(path)

    @answered
    def list_folder(self, path):
        out = []
        for name in os.listdir(self.real(path)):
            out.append(SFTPAttributes.from_stat(os.lstat(self.real(path) + "/" + name), name))
        return out

    @answered
    def stat(self, path):
        return SFTPAttributes.from_stat(os.stat(self.real(path)))

    @answered
    def lstat(self, path):
        return SFTPAttributes.from_stat(os.lstat(self.real(path)))

    @answered
    def open(self, path, flags, attributes):
        opened = os.open(self.real(path), flags, 0o640)
        handle = Handle(flags)
        mode = "rb" if flags & 3 == os.O_RDONLY else "wb" if flags & 3 == os.O_WRONLY else "r+b"
        handle.readfile = handle.writefile = os.fdopen(opened, mode)
        return handle

    @answered
    def remove(self, path):
        os.remove(self.real(path))

    # Version 3: an existing name is never replaced.
    @answered
    def rename(self, old, new):
        if os.path.lexists(self.real(new)):
            return paramiko.SFTP_FAILURE
        os.rename(self.real(old), self.real(new))


class Subsystem(SFTPServer):
    def start_subsystem(self, name, transport, channel):
        if floods:
            threading.Thread(target=self.flood, args=[channel], daemon=True).start()
        super().start_subsystem(name, transport, channel)

    def flood(self, channel):
        try:
            while True:
                channel.sendall_stderr(bytes(32768))
        except OSError:
            pass


def serve(client):
    try:
        transport = paramiko.Transport(client)
        transport.add_server_key(paramiko.Ed25519Key(filename=host_key))
        transport.set_subsystem_handler("sftp", Subsystem, Files)
        transport.start_server(server=Login())
        # A channel that nobody holds is closed.
        channels = []
        while transport.is_active():
            channels.append(transport.accept(1))
    except (EOFError, OSError, paramiko.SSHException) as error:
        print(error, flush=True)


listener = socket.create_server((address, int(port)))
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
