"""jobs/embed-serve.yaml: what PyTorch gives, by its own model (made first, 90 MB)."""
import subprocess

import h5py
import numpy as np
import torch

from harness import SOURCE
from serving import ServingTest


class EmbeddingsTest(ServingTest):
    def test_embeddings_are_those_of_pytorch(self):
        import tritonclient.http as triton
        if not (SOURCE / "data/generated/minilm.pt").exists():
            made = subprocess.run([SOURCE / "data/make_minilm.sh"], capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        server = self.serve(SOURCE / "jobs/embed-serve.yaml", "--set", "fault_tolerance.spares=0")
        with h5py.File(SOURCE / "data/generated/sentences.h5") as file:
            ids, mask = (file[name][:24].astype(np.int64) for name in ("input_ids", "attention_mask"))
        with torch.inference_mode():
            model = torch.jit.load(str(SOURCE / "data/generated/minilm.pt")).eval()
            expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        status, answer = server.predict({"input_ids": ids[:3].tolist(), "attention_mask": mask[:3].tolist()})
        self.assertEqual(status, 200, answer)
        np.testing.assert_allclose(np.array(answer["outputs"]["embedding"]), expected[:3], rtol=0, atol=1e-5)
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        tensors = []
        for name, values in (("input_ids", ids), ("attention_mask", mask)):
            tensors.append(triton.InferInput(name, list(values.shape), "INT64"))
            tensors[-1].set_data_from_numpy(values)
        embedding = client.infer("embed-serve", tensors).as_numpy("embedding")
        np.testing.assert_allclose(embedding, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=0, atol=1e-5)
        client.close()
