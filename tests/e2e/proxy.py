"""A TCP proxy between the guard and PostgreSQL that loses connections on cue.

What the server answers is sent only after its transaction has ended. A proxy that throws an answer
away and closes the connection therefore makes the one case that nobody can make with signals: the
commit is done, and the guard does not know.
"""

import random
import socket
import threading


class Proxy:
    """Forwards connections to a port of this machine until close()."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.guard = threading.Lock()
        self.pairs = set()
        self.armed = None
        self.lost_answers = 0
        self.loss_rate = 0.0
        self.random = random.Random()
        self.refusing = False
        threading.Thread(target=self.accept, daemon=True).start()

    # Orders from the test

    def lose_answer(self, statement, count=1):
        """The next answers to this prepared statement are lost, with their connections."""
        with self.guard:
            self.armed = (b"\0" + statement.encode() + b"\0", count)

    def lose_some(self, rate):
        """From now on this share of all answers to prepared statements is lost."""
        self.loss_rate = rate

    def refuse(self, refusing=True):
        """As a host that is down: open connections break, new ones are closed at once."""
        self.refusing = refusing
        if refusing:
            self.break_all()

    def break_all(self):
        with self.guard:
            pairs = list(self.pairs)
        for pair in pairs:
            end(pair)

    def close(self):
        self.refuse()
        self.listener.close()

    # The work

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.serve((client, server))

    def serve(self, pair):
        client, server = pair
        for one in pair:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.guard:
            self.pairs.add(pair)
        state = {"doomed": False}
        threading.Thread(target=self.upstream, args=(client, server, state), daemon=True).start()
        threading.Thread(target=self.downstream, args=(client, server, state),
                         daemon=True).start()

    def upstream(self, client, server, state):
        """Requests: a statement whose answer is to be lost dooms its connection."""
        for data in chunks(client):
            if self.takes(data):
                state["doomed"] = True
            try:
                server.sendall(data)
            except OSError:
                break
        self.forget((client, server))

    def downstream(self, client, server, state):
        for data in chunks(server):
            if state["doomed"]:
                with self.guard:
                    self.lost_answers += 1
                break
            try:
                client.sendall(data)
            except OSError:
                break
        self.forget((client, server))

    def takes(self, data):
        with self.guard:
            if self.armed is not None and self.armed[0] in data:
                marker, count = self.armed
                self.armed = (marker, count - 1) if count > 1 else None
                return True
            # "B" binds a prepared statement; what sets a connection up is left alone.
            return data[:1] == b"B" and self.random.random() < self.loss_rate

    def forget(self, pair):
        end(pair)
        with self.guard:
            self.pairs.discard(pair)


def chunks(connection):
    while True:
        try:
            data = connection.recv(1 << 16)
        except OSError:
            return
        if not data:
            return
        yield data


def end(pair):
    for connection in pair:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()
