"""A saved model behind HTTP: rows as JSON in, probabilities out; the standard library is enough."""

import json
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jax
import pandas as pd

import jaxbm
from jaxbm import table

folder = tempfile.mkdtemp()
frame, target = table.demo("iris")
prep = table.prepare(frame, target)
model = jaxbm.MLP((len(prep.feature_names), 16, prep.n_outputs))
fitted = jaxbm.fit(
    jax.random.key(0), model, prep.features(frame), prep.labels(frame), epochs=30, optimizer=jaxbm.adam(1e-2),
    loss="softmax_cross_entropy_with_integer_labels",
)  # fmt: skip
jaxbm.save(folder, model, fitted.params, preparation=prep)

# In the serving process: the folder is all it needs. The first prediction compiles, so it is made before the first
# request comes.
saved = jaxbm.load(folder)
jaxbm.predict(saved.model, saved.params, saved.preparation.features(frame.head(1)))


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        rows = pd.DataFrame(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        logits = jaxbm.predict(saved.model, saved.params, saved.preparation.features(rows))
        classes = [str(name) for name in saved.preparation.classes]
        answer = [dict(zip(classes, map(float, p), strict=True)) for p in jax.nn.softmax(logits)]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
rows = frame.drop(columns=target).iloc[[0, 75]].to_dict("records")
request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}", json.dumps(rows).encode())
with urllib.request.urlopen(request) as response:
    for answer in json.load(response):
        print({name: round(p, 3) for name, p in answer.items()})
server.shutdown()
server.server_close()
