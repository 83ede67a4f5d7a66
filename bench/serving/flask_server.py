"""What many begin with: the model behind Flask's own server. flask_server.py MODEL PORT"""
import logging
import sys

import flask
import torch

torch.set_num_threads(1)
model = torch.jit.load(sys.argv[1]).eval()
app = flask.Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@app.post("/predict")
def predict():
    with torch.inference_mode():
        y = model(torch.tensor([flask.request.get_json(force=True)["inputs"]]))
    return {"outputs": {"y": y[0].tolist()}}


app.run(host="127.0.0.1", port=int(sys.argv[2]), threaded=True)
