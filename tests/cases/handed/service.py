"""A service that gets its socket from systemd, and turns it against others when it is asked to: sd_listen_fds(3).

It shuts the listening socket down and connects it to whomever it is told, from the network that the socket was made in.
"""

import socket

server = socket.socket(fileno=3)
while True:
    client, _ = server.accept()
    stream = client.makefile("rw")
    words = stream.readline().split()
    answer = "served"
    if words and words[0] in ("turn", "disconnect"):
        # The socket that listens, or the one of this connection.
        turned = server if words[0] == "turn" else client.dup()
        try:
            if words[0] == "turn":
                turned.shutdown(socket.SHUT_RDWR)
            else:
                # An address without a family ends the connection, connect(2).
                import ctypes

                ctypes.CDLL(None).connect(turned.fileno(), bytes(16), 16)
            turned.settimeout(3)
            turned.connect((words[1], int(words[2])))
            answer = "reached"
        except OSError as error:
            answer = f"stopped: {error}"
        print(answer, flush=True)
        raise SystemExit
    try:
        stream.write(answer + "\n")
        stream.flush()
    except OSError:
        pass
    client.close()
