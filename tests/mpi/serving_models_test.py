"""Several models behind one server: by name, on ranks of their own or shared, and when those die."""
import concurrent.futures
import json
import os
import signal

import torch

from harness import SOURCE
from serving import ServingTest, Slow, digits, expected_digits, steps_that_take


class Times(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class SeveralModels(ServingTest):
    def job(self, *more, ranks=2, spares=0, own=""):
        """digits, and a model that doubles; `more`: items."""
        double = self.save(Times(2.0), "double.pt")
        path = self.folder / "models.yaml"
        path.write_text(f"""job: serve
name: several
serve:
  models:
    - name: digits
      model: {{path: {SOURCE}/data/digits_cnn.pt}}
      inputs: [{{name: images, dtype: uint8, shape: [8, 8], transforms: [{{cast: float32}}, {{scale: 0.0625}}]}}]
      outputs: {{label: {{post: argmax}}}}
    - {{name: double, model: {{path: {double}}}, inputs: [{{name: x, dtype: float32, shape: [2]}}], outputs: {{y: {{}}}}{own}}}
""" + "".join(f"    - {item}\n" for item in more) + f"""fault_tolerance: {{rank_timeout: 5s, spares: {spares}}}
resources: {{ranks: {ranks}}}
""")
        return path


class ModelsTest(SeveralModels):
    @staticmethod
    def predict(server, name, inputs):
        status, _, content = server.ask("POST", f"/predict/{name}", json.dumps({"inputs": inputs}))
        return status, json.loads(content)

    def test_each_model_answers_by_its_name(self):
        import tritonclient.http as triton
        server = self.serve(self.job())
        images = digits()[:10]
        labels = expected_digits(images)[0].tolist()
        for name in ("digits", ""):
            path = f"/predict/{name}".rstrip("/")  # the first is the one that is meant
            status, _, content = server.ask("POST", path, json.dumps({"inputs": images.tolist()}))
            self.assertEqual((status, json.loads(content)["outputs"]["label"]), (200, labels))
        self.assertEqual(self.predict(server, "double", [[1.5, -2.0]]), (200, {"outputs": {"y": [[3.0, -4.0]]}}))
        status, answer = self.predict(server, "treble", [[1.0, 2.0]])
        self.assertEqual(status, 404, answer)
        self.assertEqual(answer["error"], "there is no model \"treble\"; there is 'digits', 'double'")
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        for name, inputs in [("digits", [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8]}]),
                             ("double", [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}])]:
            self.assertTrue(client.is_model_ready(name))
            self.assertEqual(client.get_model_metadata(name)["inputs"], inputs)
        self.assertEqual([m["name"] for m in client.get_model_repository_index()], ["digits", "double"])
        client.close()
        document = json.loads(server.get("/openapi.json")[1])
        self.assertEqual(document["info"]["title"], "several")
        for path in document["paths"]:
            for method in document["paths"][path]:
                self.assertNotIn(server.ask(method.upper(), path, "{}" if method == "post" else None)[0], (404, 405), path)
        server.wait_until(lambda: server.metrics()['shardmill_records_total{model="digits"}'] == 20, "figures of a moment ago")
        metrics = server.metrics()
        self.assertEqual(metrics['shardmill_records_total{model="double"}'], 1)
        self.assertEqual(metrics['shardmill_request_duration_seconds_count{model="digits"}'], 2)
        self.assertEqual(metrics['shardmill_model_ready{model="double"}'], 1)
        self.assertEqual(server.stop()[0], 0)

    def test_a_slow_model_does_not_hold_up_one_with_ranks_of_its_own(self):
        slow = self.save(Slow(), "slow.pt")
        item = f"{{name: slow, model: {{path: {slow}}}, max_batch_size: 1, ranks: 1, inputs: [{{name: x, dtype: float32, shape: [64]}}], outputs: {{y: {{}}}}}}"
        server = self.serve(self.job(item, ranks=2), "--set", "serve.max_queue=4", "--set", "serve.timeout=5m")
        steps = steps_that_take(0.5, lambda n: self.assertEqual(self.predict(server, "slow", [float(n)] * 64)[0], 200))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            waiting = [pool.submit(self.predict, server, "slow", [float(steps)] * 64) for _ in range(12)]
            server.wait_until(lambda: server.metrics()['shardmill_queue_length{model="slow"}'] == 4, "a full queue")
            # More than two seconds of work wait for the slow one; a full queue of its is no other's.
            self.assertEqual(self.predict(server, "double", [[1.0, 2.0]])[0], 200)
            self.assertFalse(all(one.done() for one in waiting))
            for _ in range(10):
                self.assertEqual(self.predict(server, "double", [[1.0, 2.0]])[0], 200)
            statuses = [one.result()[0] for one in waiting]
        self.assertEqual(set(statuses), {200, 429})

    def test_another_rank_takes_over_for_a_model_that_has_lost_its_own(self):
        server = self.serve(self.job(ranks=3, own=", ranks: 1"), ranks=3)
        self.assertEqual(self.predict(server, "double", [[1.0, 2.0]])[0], 200)
        os.kill(server.pids()[1], signal.SIGKILL)  # places of their own come first
        server.wait_until(lambda: any("takes over what no other rank is left for" in line for line in server.lines), "a helper")
        server.wait_until(lambda: self.predict(server, "double", [[1.0, 2.0]])[0] == 200, "the helper to be ready")
        self.assertEqual(self.predict(server, "digits", digits()[:5].tolist())[0], 200)
        self.assertEqual(server.get("/v2/health/ready")[0], 200)
        self.assertEqual(server.ranks()["dead"], 1)

    def test_a_spare_takes_the_place_of_any(self):
        server = self.serve(self.job(ranks=2, spares=2, own=", ranks: 1"), ranks=2, spares=2)
        for rank in (1, 2):
            os.kill(server.pids()[rank], signal.SIGKILL)
        server.wait_ready(ranks=2, spares=0)
        self.assertEqual(self.predict(server, "double", [[1.0, 2.0]])[0], 200)
        self.assertEqual(self.predict(server, "digits", digits()[:5].tolist())[0], 200)

    def test_mistakes(self):
        outcome = self.shardmill("run", self.job(ranks=2, own=", ranks: 1"), "-n", "1", "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 2, outcome.stderr)
        self.assertIn("the models of the server need 2 ranks; -n asks for 1", outcome.stderr)
        self.assertFalse((self.folder / "run").exists())
        broken = self.folder / "double.pt"
        job = self.job()
        broken.write_bytes(b"nothing")
        outcome = self.shardmill("validate", job)
        self.assertEqual(outcome.code, 2, outcome.stderr)
        self.assertRegex(outcome.stderr, r"models.yaml:\d+:\d+: model .*double.pt")
