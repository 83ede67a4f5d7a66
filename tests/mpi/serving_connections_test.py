"""Thousands of connections, slow ones and half-closed ones: the others are answered, and memory stays bounded."""
import contextlib
import json
import pathlib
import re
import resource
import socket
import threading
import time

from serving import DIGITS_SERVE, Load, ServingTest, digits


def raise_limit():
    """So many files may be open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


class ConnectionsTest(ServingTest):
    def connections(self, server, count, beginning=b""):
        found = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            if beginning:
                connection.sendall(beginning)
            found.append(connection)
        self.addCleanup(lambda: [connection.close() for connection in found])
        return found

    @staticmethod
    def has_ended(connection, seconds):
        """The server has closed it, or does so in this time."""
        connection.settimeout(seconds)
        try:
            while connection.recv(4096) != b"":
                pass
        except TimeoutError:
            return False
        finally:
            connection.settimeout(30)
        return True

    @staticmethod
    def memory(server):
        """Of the front, in KiB."""
        status = pathlib.Path(f"/proc/{server.pids()[0]}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def test_ten_thousand_idle_connections(self):
        count = min(10_000, raise_limit() - 200)
        # The front begins with a low limit, and raises it by itself.
        server = self.serve(DIGITS_SERVE, "--set", "serve.idle_timeout=10m", "--set", "serve.max_connections=10050")
        before = self.memory(server)
        connections = self.connections(server, count)
        server.wait_until(lambda: server.metrics()["shardmill_connections"] >= count, "all connections")
        self.assertLess(self.memory(server) - before, 8 * count, "KiB")
        load = Load(server, clients=8)
        load.wait_for(100)
        load.end()
        self.assertEqual((load.wrong, load.failed), ([], []))
        self.assertGreaterEqual(load.answered, 100)
        # One of them asks, after all.
        body = json.dumps({"inputs": digits()[0].tolist()}).encode()
        connections[count // 2].sendall(b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.assertTrue(connections[count // 2].recv(65536).startswith(b"HTTP/1.1 200"))
        # More than it may have are closed at once, and those that go make room.
        if count == 10_000:
            more = self.connections(server, 100)
            closed = sum(self.has_ended(one, 5) for one in more[60:])
            self.assertEqual(closed, 40)
        for connection in connections:
            connection.close()
        server.wait_until(lambda: server.metrics()["shardmill_connections"] < 200, "their end")
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)

    def test_slow_clients_are_cut_off_and_hold_up_nobody(self):
        server = self.serve(DIGITS_SERVE, "--set", "serve.read_timeout=2s", "--set", "serve.idle_timeout=2s")
        beginnings = [b"POST /predict HTTP/1.1\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{"]
        slow = [one for beginning in beginnings for one in self.connections(server, 200, beginning)]
        load = Load(server, clients=8)
        began = time.monotonic()
        gone = set()
        # A byte now and then does not help them.
        while len(gone) < len(slow) and time.monotonic() - began < 120:
            for number, one in enumerate(slow):
                if number in gone:
                    continue
                try:
                    one.sendall(b"x")
                    if self.has_ended(one, 0.0001):
                        gone.add(number)
                except ConnectionError:
                    gone.add(number)
            time.sleep(0.2)
        load.wait_for(20)
        load.end()
        self.assertEqual(len(gone), len(slow))
        self.assertEqual((load.wrong, load.failed), ([], []))
        self.assertGreaterEqual(load.answered, 20)

    def test_clients_that_do_not_take_their_answers(self):
        server = self.serve(DIGITS_SERVE, "--set", "serve.read_timeout=2s")
        request = b"GET /openapi.json HTTP/1.1\r\n\r\n"
        deaf = self.connections(server, 50)
        stop = threading.Event()

        def ask_on(connection):
            connection.settimeout(0.5)
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    connection.sendall(request * 50)  # until nothing more fits in
        threads = [threading.Thread(target=ask_on, args=(one,), daemon=True) for one in deaf]
        for thread in threads:
            thread.start()
        before = self.memory(server)
        time.sleep(3)
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        server.wait_until(lambda: server.metrics()["shardmill_connections"] < 5, "their end")
        stop.set()
        for thread in threads:
            thread.join(30)
        self.assertLess(self.memory(server) - before, 100_000)

    def test_half_closed_connections_are_answered_and_end(self):
        server = self.serve()
        body = json.dumps({"inputs": digits()[0].tolist()}).encode()
        whole = b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for one in (connections := self.connections(server, 200, whole)):
            one.shutdown(socket.SHUT_WR)
        for one in connections:
            received = b""
            while chunk := one.recv(65536):
                received += chunk
            self.assertTrue(received.startswith(b"HTTP/1.1 200"), received[:100])
        server.wait_until(lambda: server.metrics()["shardmill_connections"] < 5, "their end")
