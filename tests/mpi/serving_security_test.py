"""TLS and tokens: who may ask a server, and what is said to the others."""
import hashlib
import json
import socket
import ssl
import subprocess

from serving import DIGITS_SERVE, Load, ServingTest, digits

TOKEN = "a-token-of-the-tests-0123"


class SecurityTest(ServingTest):
    def certificate(self, name="server"):
        """(certificate, key): self-signed, for localhost."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True, timeout=60)
        return certificate, key

    @staticmethod
    def tls(certificate, key):
        return "--set", f"serve.tls={{certificate: {certificate}, key: {key}}}"

    def secure(self, *words, **more):
        self.pem, key = self.certificate()
        context = ssl.create_default_context(cafile=self.pem)
        return self.serve(DIGITS_SERVE, *self.tls(self.pem, key), *words, tls=context, **more)


class TlsTest(SecurityTest):
    def test_clients_that_trust_the_certificate_are_answered(self):
        server = self.secure()
        self.assertTrue(any("ready at https://127.0.0.1" in line for line in server.lines), server.lines)
        load = Load(server, clients=8)
        load.wait_for(100)
        load.end()
        self.assertEqual((load.wrong, load.failed), ([], []))
        self.assertGreaterEqual(load.answered, 100)
        # A body of some megabytes, and its answer.
        self.assertEqual(server.ask("POST", "/predict", " " * 8_000_000 + json.dumps({"inputs": digits()[0].tolist()}))[0], 200)
        address = f"https://localhost:{server.port}"
        curl = ["curl", "-sS", "--max-time", "20"]
        asked = subprocess.run([*curl, "--cacert", self.pem, f"{address}/v2"], capture_output=True, text=True, timeout=30, check=True)
        self.assertEqual(json.loads(asked.stdout)["name"], "shardmill")
        self.assertEqual(subprocess.run([*curl, f"{address}/v2"], capture_output=True, timeout=30, check=False).returncode, 60)
        old = subprocess.run([*curl, "--cacert", self.pem, "--tls-max", "1.1", f"{address}/v2"], capture_output=True,
                             timeout=30, check=False)
        self.assertEqual(old.returncode, 35, old.stderr)
        self.assertEqual(server.stop()[0], 0)

    def test_connections_that_are_not_tls_end(self):
        server = self.secure("--set", "serve.read_timeout=500ms", "--set", "serve.idle_timeout=1s")
        for beginning in (b"GET /v2 HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"x" * 512, b""):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
                connection.sendall(beginning)
                received = b""
                try:
                    while chunk := connection.recv(4096):
                        received += chunk
                except ConnectionError:
                    pass
                self.assertNotIn(b"HTTP/1.1 200", received)
        # Idle after the handshake, and gone without a word.
        for close in (False, True):
            connection = server.tls.wrap_socket(socket.create_connection(("localhost", server.port), timeout=10),
                                                server_hostname="localhost")
            if not close:
                self.assertEqual(connection.recv(1), b"")
            connection.close()
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertEqual(server.stop()[0], 0)

    def test_a_bad_certificate_is_a_mistake_in_the_job(self):
        certificate, key = self.certificate()
        _, other = self.certificate("other")
        encrypted = self.folder / "encrypted.key"
        subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:secret", "-out", encrypted], check=True,
                       capture_output=True, timeout=60)
        nonsense = self.folder / "nonsense.pem"
        nonsense.write_text("no certificate\n")
        for files, said in [((nonsense, key), r"the certificate .*nonsense.pem cannot be used \(no start line\); it must be a PEM file"),
                            ((certificate, nonsense), r"the key .*nonsense.pem cannot be used"),
                            ((certificate, other), r"the key .*other.key is not that of the certificate .*server.pem"),
                            ((certificate, encrypted), r"the key .*encrypted.key cannot be used .* no passphrase"),
                            ((self.folder / "nowhere.pem", key), r"serve.tls.certificate: no such file")]:
            for command in (["validate"], ["run", "--run-dir", self.folder / "run"]):
                with self.subTest(said=said, command=command[0]):
                    outcome = self.shardmill(*command, DIGITS_SERVE, *self.tls(*files))
                    self.assertEqual(outcome.code, 2, outcome.stderr)
                    self.assertRegex(outcome.stderr, said)
                    self.assertEqual(len(outcome.stderr.splitlines()), 1, outcome.stderr)


class TokensTest(SecurityTest):
    def tokens(self, text):
        path = self.folder / "tokens"
        path.write_text(text)
        return "--set", f"serve.auth={{tokens_file: {path}}}"

    def test_only_who_has_a_token_is_answered(self):
        other = "another-token-0123456789"
        digest = hashlib.sha256(other.encode()).hexdigest()
        server = self.secure(*self.tokens(f"# tests\n{TOKEN}\nsha256:{digest}\n"), token=TOKEN)
        good = json.dumps({"inputs": digits()[0].tolist()})
        for token, status in [(TOKEN, 200), (other, 200), (TOKEN[:-1], 401), (TOKEN + "x", 401), (digest, 401), ("", 401)]:
            with self.subTest(token=token):
                got, headers, content = server.ask("POST", "/predict", good, {"Authorization": f"Bearer {token}"})
                self.assertEqual(got, status, content)
                if status == 401:
                    self.assertEqual(headers["WWW-Authenticate"], "Bearer")
                    self.assertIn("Authorization: Bearer", json.loads(content)["error"])
        server.token = None
        for path, status in [("/v2/health/live", 200), ("/v2/health/ready", 200), ("/", 200), ("/v2", 401), ("/metrics", 401),
                             ("/openapi.json", 401), ("/v2/models/digits-serve", 401), ("/nowhere", 401)]:
            self.assertEqual(server.ask("GET", path)[0], status, path)
        server.token = TOKEN
        self.assertGreater(server.metrics()['shardmill_requests_total{code="401"}'], 4)

    def test_a_body_of_who_has_no_token_is_not_read(self):
        server = self.serve(DIGITS_SERVE, *self.tokens(TOKEN + "\n"), token=TOKEN)
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 401"))
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)

    def test_a_file_that_holds_no_tokens_is_a_mistake_in_the_job(self):
        for text, said in [("", "holds no token"), ("# nobody\n", "holds no token"), ("short\n", "line 1 of .*tokens is no token"),
                           (f"{TOKEN}\nsha256:123\n", "line 2 of .*tokens must have 64 hexadecimal digits")]:
            outcome = self.shardmill("run", DIGITS_SERVE, "--run-dir", self.folder / "run", *self.tokens(text))
            self.assertEqual(outcome.code, 2, outcome.stderr)
            self.assertRegex(outcome.stderr, said)
            self.assertEqual(len(outcome.stderr.splitlines()), 1, outcome.stderr)
            self.assertNotIn("short", outcome.stderr)
