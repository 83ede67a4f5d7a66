"""The model behind FastAPI, for uvicorn; MODEL is the model's file."""
import os

import fastapi
import torch

torch.set_num_threads(1)
model = torch.jit.load(os.environ["MODEL"]).eval()
app = fastapi.FastAPI()


@app.post("/predict")
async def predict(request: fastapi.Request):
    body = await request.json()
    with torch.inference_mode():
        y = model(torch.tensor([body["inputs"]]))
    return {"outputs": {"y": y[0].tolist()}}
