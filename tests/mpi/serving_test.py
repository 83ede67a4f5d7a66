"""A server answers what the model run directly gives, whatever clients send it."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import numpy as np
import torch

from harness import SOURCE
from serving import DIGITS_SERVE, Load, ServingTest, Slow, digits, expected_digits, steps_that_take


class Picky(torch.nn.Module):
    """Cannot take a record that begins with a negative number, and divides by another."""

    def forward(self, x):
        if bool((x[:, 0] < 0).any()):
            raise RuntimeError("a record is negative")
        return 1.0 / x[:, 1]


class ServingAnswersTest(ServingTest):
    def test_answers_are_those_of_the_model(self):
        server = self.serve()
        images = digits()
        labels, probabilities = expected_digits(images)
        for first in range(0, 640, 64):
            status, answer = server.predict(images[first:first + 64].tolist())
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["outputs"]["label"], labels[first:first + 64].tolist())
            got = np.array(answer["outputs"]["probabilities"], np.float32)
            np.testing.assert_allclose(got, probabilities[first:first + 64], rtol=0, atol=1e-6)
        status, answer = server.predict(images[5].tolist())
        self.assertEqual((status, answer["outputs"]["label"]), (200, int(labels[5])))
        status, answer = server.predict({"images": images[5:6].tolist()})
        self.assertEqual((status, answer["outputs"]["label"]), (200, [int(labels[5])]))

    def test_many_clients_at_once(self):
        server = self.serve()
        load = Load(server, clients=32)
        time.sleep(5)
        load.wait_for(201)
        load.end()
        self.assertEqual((load.wrong, load.failed), ([], []))
        self.assertGreater(load.answered, 200)
        server.wait_until(lambda: server.metrics()["shardmill_utilization"] == 1, "the figures, which are of a moment ago")
        metrics = server.metrics()
        # Requests share batches, or each would have had one of its own.
        self.assertLess(metrics['shardmill_batch_size_count{model="digits-serve"}'], load.answered)
        self.assertEqual(metrics['shardmill_requests_total{code="200"}'] >= load.answered, True)

    def test_several_inputs_and_types(self):
        class Two(torch.nn.Module):
            def forward(self, a, b):
                return {"sum": a.sum(-1) + b.double(), "b": b}
        job = self.write_job(self.save(Two()),
                             "[{name: a, dtype: float64, shape: [3]}, {name: b, dtype: int64, shape: []}]",
                             "{total: {from: sum}, same: {from: b}}")
        server = self.serve(job)
        status, answer = server.predict({"a": [[0.1, 0.2, 0.3], [1, 2, 3]], "b": [2**53 + 1, -7]})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["outputs"]["same"], [2**53 + 1, -7])
        self.assertEqual(answer["outputs"]["total"][1], -1.0)

    def test_only_the_request_of_a_bad_record_fails(self):
        job = self.write_job(self.save(Picky()), "[{name: x, dtype: float32, shape: [2]}]", "{y: {}}",
                             serve="{max_queue_delay: 100ms}", fault_tolerance="{finite: true}")
        server = self.serve(job)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            good = [pool.submit(server.predict, [[i, 2]]) for i in range(12)]
            negative = pool.submit(server.predict, [[1, 1], [-1, 1]])
            infinite = pool.submit(server.predict, [[1, 0]])
            for result in good:
                self.assertEqual(result.result(), (200, {"outputs": {"y": [0.5]}}))
        status, answer = negative.result()
        self.assertEqual(status, 422, answer)
        self.assertRegex(answer["error"], r"record 1 \(counted from 0\).*a record is negative")
        status, answer = infinite.result()
        self.assertEqual(status, 422, answer)
        self.assertIn("NaN or Inf in output 'y'", answer["error"])

    def test_the_queue_is_bounded_and_says_so_at_once(self):
        job = self.write_job(self.save(Slow()), "[{name: x, dtype: float32, shape: [64]}]", "{y: {}}",
                             serve="{max_queue: 4, max_batch_size: 1}")
        server = self.serve(job)
        loops = steps_that_take(1, lambda n: self.assertEqual(server.predict([float(n)] * 64)[0], 200))

        def timed(_):
            start = time.monotonic()
            status, headers, _ = server.ask("POST", "/predict", json.dumps({"inputs": [float(loops)] * 64}))
            return status, time.monotonic() - start, headers.get("Retry-After")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = list(pool.map(timed, range(16)))
        refused = [result for result in results if result[0] == 429]
        self.assertEqual({result[0] for result in results}, {200, 429})
        self.assertGreaterEqual(len(refused), 8)
        self.assertTrue(all(retry == "1" for _, _, retry in refused))
        self.assertLess(min(seconds for _, seconds, _ in refused), 0.1)
        self.assertLess(max(seconds for _, seconds, _ in refused), min(s for c, s, _ in results if c == 200))

    def test_a_request_that_waits_too_long_is_dropped(self):
        job = self.write_job(self.save(Slow()), "[{name: x, dtype: float32, shape: [64]}]", "{y: {}}",
                             serve="{max_batch_size: 1, timeout: 5m}")
        server = self.serve(job)
        steps = steps_that_take(3, lambda n: self.assertEqual(server.predict([float(n)] * 64)[0], 200))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            slow = pool.submit(server.predict, [float(steps)] * 64)
            server.wait_until(lambda: server.ranks()["busy"] == 1, "the slow one to be computed")
            status, answer = server.predict([1.0] * 64, headers={"Request-Timeout": "0.2"})
            self.assertEqual(status, 504, answer)
            self.assertIn("timeout", answer["error"])
            self.assertEqual(slow.result()[0], 200)
        self.assertEqual(server.predict([1.0] * 64, headers={"Request-Timeout": "soon"})[0], 400)

    def test_wrong_requests(self):
        server = self.serve()
        good = json.dumps({"inputs": digits()[0].tolist()})
        for method, path, body, status, said in [
                ("POST", "/predict", "{", 400, "not JSON"),
                ("POST", "/predict", "", 400, "not JSON"),
                ("POST", "/predict", "[" * 100_000, 400, "nested"),
                ("POST", "/predict", '{"inputs": [[1, 2]]}', 400, "[8, 8]"),
                ("POST", "/predict", '{"inputs": 1e999}', 400, "too large"),
                ("GET", "/predict", None, 405, "POST"),
                ("POST", "/metrics", "x", 405, "GET"),
                ("DELETE", "/", None, 405, "GET"),
                ("GET", "/nowhere", None, 404, "/predict"),
                ("GET", "/v2/models/other", None, 404, "digits-serve"),
                ("POST", "/v2/models/digits-serve/versions/2/infer", good, 404, "version"),
                ("POST", "/v2/models/digits-serve/infer", good, 400, "list of objects"),
                ("POST", "/predict", "x" * (17 << 20), 413, "bytes")]:
            with self.subTest(path=path, body=(body or "")[:20]):
                got, headers, content = server.ask(method, path, body)
                self.assertEqual(got, status, content)
                self.assertIn(said, json.loads(content)["error"])
                if status == 405:
                    self.assertIn(headers["Allow"], said)
        self.assertEqual(server.ask("HEAD", "/metrics")[0], 405)
        self.assertEqual(server.ask("POST", "/predict", good, {"Content-Encoding": "gzip"})[0], 415)
        self.assertEqual(server.ask("POST", "/predict", good)[0], 200)

    def raw(self, server, data, wait=5):
        """What comes back for these bytes, after which our half is closed."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except ConnectionError:
                pass
        return received

    def test_broken_connections(self):
        server = self.serve(DIGITS_SERVE, "--set", "serve.read_timeout=1s", "--set", "serve.idle_timeout=1s")
        self.assertTrue(self.raw(server, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400"))
        self.assertTrue(self.raw(server, b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431"))
        self.assertTrue(self.raw(server, b"POST /predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{").startswith(b"HTTP/1.1 400"))
        self.assertTrue(self.raw(server, b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{").startswith(b"HTTP/1.1 4"))
        self.assertEqual(self.raw(server, b""), b"")
        # Half-closed: the answer still comes.
        body = json.dumps({"inputs": digits()[0].tolist()}).encode()
        whole = b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self.assertTrue(self.raw(server, whole).startswith(b"HTTP/1.1 200"))
        # Two in one go, and one in pieces.
        self.assertEqual(self.raw(server, whole + whole).count(b"HTTP/1.1 200"), 2)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            for at in range(0, len(whole), 40):
                connection.sendall(whole[at:at + 40])
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 200"))
        # Slow ones are not waited for.
        for beginning in (whole[:len(whole) - 5], whole[:20], b""):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
                began = time.monotonic()
                connection.sendall(beginning)
                self.assertEqual(connection.recv(1), b"")
                self.assertLess(time.monotonic() - began, 4)
        self.assertEqual(server.ask("POST", "/predict", body)[0], 200)

    def test_idle_connections_and_memory(self):
        server = self.serve()
        front = server.pids()[0]
        connections = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(900)]
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertGreaterEqual(server.metrics()["shardmill_connections"], 900)
        for connection in connections:
            connection.close()
        deep = b'{"inputs": ' + b"[" * 8_000_000
        many = b'{"inputs": [' + b"1," * 8_000_000 + b"1]}"
        objects = b'{"inputs": [' + b"{}," * 5_000_000 + b"{}]}"
        for _ in range(3):
            for body in (deep, many, objects):
                self.assertEqual(server.ask("POST", "/predict", body)[0], 400)
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{front}/status").read_text())[1])
        self.assertLess(peak, 1_000_000)

    def test_compiled_and_exported_models(self):
        job = self.write_job(SOURCE / "data/digits_cnn.pt2",
                             "[{name: images, dtype: uint8, shape: [8, 8], transforms: [{cast: float32}, {scale: 0.0625}]}]",
                             "{label: {post: argmax}}")
        server = self.serve(job)
        images = digits()[:40]
        status, answer = server.predict(images.tolist())
        self.assertEqual((status, answer["outputs"]["label"]), (200, expected_digits(images)[0].tolist()))

    def test_mistakes_show_before_it_serves(self):
        job = self.write_job(SOURCE / "data/digits_cnn.pt", "[{name: x, dtype: float32, shape: [5]}]", "{y: {}}")
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "run", "--set", "serve.port=0")
        self.assertEqual(outcome.code, 2, outcome.stderr)
        said = [line for line in outcome.stderr.splitlines() if line.startswith("shardmill: error: ")]
        self.assertEqual(len(said), 1, outcome.stderr)
        self.assertRegex(said[0], r"^shardmill: error: model .*digits_cnn.pt")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            outcome = self.shardmill("run", DIGITS_SERVE, "--run-dir", self.folder / "run2", "--set", f"serve.port={port}")
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertRegex(outcome.stderr, r"(?m)^shardmill: error: cannot listen on 127.0.0.1:\d+: .*choose another serve.port")

    def test_stops_gracefully(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve()
            code, errors = server.stop(number)
            self.assertEqual((code, errors), (0, ""), server.lines)
            self.assertTrue(any("stopped" in line for line in server.lines), server.lines)
            summary = json.loads((server.folder / "summary.json").read_text())
            self.assertEqual((summary["outcome"], summary["utilization"]), ("done", 1))
            status = self.shardmill("status", server.folder)
            self.assertEqual((status.code, status.stderr), (0, ""))
            self.assertIn("done (stopped by request)", status.stdout)
            verify = self.shardmill("verify", server.folder)
            self.assertEqual((verify.code, len(verify.stderr.splitlines())), (2, 1))

    def test_status_of_a_running_server(self):
        server = self.serve(DIGITS_SERVE, ranks=2, spares=1)
        for _ in range(3):
            server.predict(digits()[:5].tolist())
        os.kill(server.pids()[1], signal.SIGKILL)
        server.wait_ready(ranks=2, spares=0)
        status = {}

        def seen():
            status.update(json.loads(self.shardmill("status", server.folder, "--json").stdout))
            return status.get("serving", {}).get("ranks", {}).get("dead") == 1
        server.wait_until(seen, "figures of a second ago")
        self.assertEqual((status["outcome"], status["records"]["done"], status["tasks"]["completed"]), ("running", 15, 3))
        self.assertEqual((status["faults"]["total"], status["utilization"]), (1, 1))
        self.assertEqual(status["serving"]["address"], f"http://127.0.0.1:{server.port}")
        self.assertEqual(status["serving"]["models"][0]["submitted"], 3)
        table = self.shardmill("status", server.folder)
        self.assertEqual((table.code, table.stderr), (0, ""))
        self.assertIn(f"digits-serve: running (http://127.0.0.1:{server.port})", table.stdout)
        self.assertRegex(table.stdout, r"ranks +2 +\d busy, 1 dead\n")
        self.assertRegex(table.stdout, r"requests +3 +3 answered, 0 waiting\n")
        self.assertEqual(server.stop()[0], 0)
        self.assertIn("done (stopped by request)", self.shardmill("status", server.folder).stdout)

    def test_finishes_what_is_in_when_it_stops(self):
        server = self.serve()
        load = Load(server, clients=8)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        load.stop.set()  # what clients ask from now on is their affair; what they have asked is answered
        for thread in load.threads:
            thread.join(30)
        self.assertEqual((load.wrong, [f for f in load.failed if isinstance(f, tuple)]), ([], []))
        # No connection was cut while its client waited; new ones may have been refused.
        self.assertEqual([f for f in load.failed if "Refused" not in f], [])
        server.process.wait(40)
        self.assertEqual(server.process.returncode, 0)

    def test_tritonclient(self):
        import tritonclient.http as triton
        server = self.serve()
        images = digits()[:20]
        labels, probabilities = expected_digits(images)
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        self.assertTrue(client.is_server_live())
        self.assertTrue(client.is_server_ready())
        self.assertTrue(client.is_model_ready("digits-serve"))
        self.assertFalse(client.is_model_ready("other"))
        self.assertEqual(client.get_server_metadata()["name"], "shardmill")
        metadata = client.get_model_metadata("digits-serve")
        self.assertEqual(metadata["inputs"], [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8]}])
        self.assertEqual(metadata["outputs"][1], {"name": "label", "datatype": "INT64", "shape": [-1]})
        for binary in (False, True):
            tensor = triton.InferInput("images", [20, 8, 8], "UINT8")
            tensor.set_data_from_numpy(images, binary_data=binary)
            wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]
            result = client.infer("digits-serve", [tensor], outputs=wanted, request_id="q-1", timeout=5_000_000)
            self.assertEqual(result.get_response()["id"], "q-1")
            np.testing.assert_array_equal(result.as_numpy("label"), labels)
            np.testing.assert_allclose(result.as_numpy("probabilities"), probabilities, rtol=0, atol=1e-6)
            result = client.infer("digits-serve", [tensor])  # its default: all outputs, binary
            np.testing.assert_array_equal(result.as_numpy("label"), labels)
        tensor = triton.InferInput("images", [1, 8, 7], "UINT8")
        tensor.set_data_from_numpy(images[:1, :, :7])
        with self.assertRaisesRegex(triton.InferenceServerException, r"\[-1, 8, 8\]"):
            client.infer("digits-serve", [tensor])
        client.close()

    def test_prometheus_reads_the_metrics(self):
        from prometheus_client.parser import text_string_to_metric_families
        server = self.serve()
        for _ in range(3):
            server.predict(digits()[:5].tolist())
        server.wait_until(lambda: server.metrics()['shardmill_records_total{model="digits-serve"}'] == 15, "the last figures")
        families = {family.name: family for family in text_string_to_metric_families(server.get("/metrics")[1])}
        buckets = {s.labels["le"]: s.value for s in families["shardmill_batch_size"].samples if s.name.endswith("_bucket")}
        self.assertEqual((buckets["4"], buckets["8"], buckets["+Inf"]), (0, 3, 3))
        duration = families["shardmill_request_duration_seconds"]
        self.assertEqual(duration.type, "histogram")
        self.assertEqual([s.value for s in duration.samples if s.name.endswith("_count")], [3])
        self.assertEqual({s.labels["state"] for s in families["shardmill_ranks"].samples},
                         {"loading", "idle", "busy", "spare", "dead"})
        for figure in ("utilization", "load", "fault_tolerance"):
            self.assertIn(f"shardmill_{figure}", families)
        self.assertEqual(families["shardmill_records"].samples[0].value, 15)

    def test_the_page_and_the_openapi_document(self):
        server = self.serve()
        status, page = server.get("/")
        self.assertEqual(status, 200)
        self.assertNotRegex(page, r"(src|href)=\"(https?:)?//")  # needs nothing from elsewhere
        status, text = server.get("/openapi.json")
        document = json.loads(text)
        self.assertEqual((status, document["info"]["title"]), (200, "digits-serve"))
        for path in document["paths"]:
            for method in document["paths"][path]:
                self.assertNotIn(server.ask(method.upper(), path, "{}" if method == "post" else None)[0], (404, 405), path)

    def test_the_commands_of_the_page(self):
        # docs/serving.md: its curl commands, against a server of the job that it starts.
        page = (SOURCE / "docs/serving.md").read_text()
        server = self.serve()
        count = 0
        for line in re.findall(r"^\$ (curl .*)$", page, re.MULTILINE):
            expected = re.search(r"\s+# (\d\d\d)$", line)
            command = re.sub(r"\s+# \d\d\d$", "", line).replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
            done = subprocess.run(["bash", "-c", command + " -w '\\n%{http_code}'"], cwd=SOURCE, capture_output=True,
                                  text=True, timeout=30, check=False, env=dict(os.environ))
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
            self.assertEqual(done.stdout.splitlines()[-1], expected[1] if expected else "200", f"{command}\n{done.stdout}")
            count += 1
        self.assertGreaterEqual(count, 8)
