#include "serve/service.hpp"

namespace shardmill::serve {

std::string_view page_html() {
  return R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>shardmill</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #dde3ea; }
  td.number { font-variant-numeric: tabular-nums; }
  textarea { width: 100%; box-sizing: border-box; height: 9rem; font: 14px/1.4 ui-monospace, monospace; }
  pre { background: #f3f6f9; padding: .8rem; overflow: auto; min-height: 1.4rem; white-space: pre-wrap; }
  button { font: inherit; padding: .3rem 1.2rem; }
</style>
</head>
<body>
<h1 id="name">shardmill</h1>
<p>Answers at <code>POST /predict</code> and by the Open Inference Protocol under <code>/v2</code>;
  <a href="openapi.json">openapi.json</a>, <a href="metrics">metrics</a>.</p>
<form id="login" hidden><label>The server wants a token: <input id="token" type="password" autocomplete="off"></label>
  <button>Use it</button></form>
<h2>The model <select id="model" hidden aria-label="Model"></select></h2>
<table><thead><tr><th></th><th>name</th><th>type</th><th>shape</th></tr></thead><tbody id="tensors"></tbody></table>
<h2><label for="body">Try it</label></h2>
<form id="form">
  <textarea id="body" spellcheck="false"></textarea>
  <p><button>Predict</button> <span id="took"></span></p>
</form>
<pre id="answer" aria-live="polite"></pre>
<h2>Now</h2>
<table><tbody id="figures"></tbody></table>
<script>
'use strict';
const byId = (id) => document.getElementById(id);
function row(table, cells) {
  const line = table.insertRow();
  cells.forEach((text, i) => { const cell = line.insertCell(); cell.textContent = text; if (i > 0) cell.className = 'number'; });
}
function zeros(shape) {
  if (shape.length === 0) return 0;
  return Array.from({length: shape[0]}, () => zeros(shape.slice(1)));
}
// The token stays in this page: it is asked for when the server answers 401.
async function ask(path, options = {}) {
  const token = byId('token').value;
  if (token !== '') options.headers = {Authorization: 'Bearer ' + token};
  const reply = await fetch(path, options);
  byId('login').hidden = reply.status !== 401;
  return reply;
}
byId('login').addEventListener('submit', (event) => { event.preventDefault(); showModels(); });
async function showModels() {
  const paper = await ask('openapi.json');
  if (!paper.ok) return;
  const paths = await paper.json();
  byId('name').textContent = document.title = paths.info.title;
  const found = await ask('v2/repository/index', {method: 'POST'});
  const names = (await found.json()).map((model) => model.name);
  byId('model').replaceChildren(...names.map((name) => new Option(name)));
  byId('model').hidden = names.length === 1;
  await showModel();
}
async function showModel() {
  const reply = await ask('v2/models/' + encodeURIComponent(byId('model').value));
  if (!reply.ok) { setTimeout(showModel, 1000); return; }
  const model = await reply.json();
  byId('tensors').textContent = '';
  for (const [kind, list] of [['input', model.inputs], ['output', model.outputs]])
    for (const tensor of list) row(byId('tensors'), [kind, tensor.name, tensor.datatype, '[' + tensor.shape.slice(1).join(', ') + ']']);
  const size = model.inputs.reduce((sum, t) => sum + t.shape.slice(1).reduce((a, b) => a * b, 1), 0);
  const inputs = {};
  if (size <= 4096) for (const tensor of model.inputs) inputs[tensor.name] = zeros(tensor.shape.slice(1));
  byId('body').value = size <= 4096 ? JSON.stringify({inputs}) : '';
}
byId('model').addEventListener('change', showModel);
byId('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const began = performance.now();
  try {
    const reply = await ask('predict/' + encodeURIComponent(byId('model').value), {method: 'POST', body: byId('body').value});
    byId('answer').textContent = await reply.text();
    byId('took').textContent = 'status ' + reply.status + ', ' + (performance.now() - began).toFixed(1) + ' ms';
  } catch (error) {
    byId('answer').textContent = 'no answer: ' + error;
  }
});
const shown = [['shardmill_utilization', 'utilization'], ['shardmill_load', 'load, records/s'],
  ['shardmill_fault_tolerance', 'fault tolerance'], ['shardmill_records_total', 'records'],
  ['shardmill_queue_length', 'requests waiting'], ['shardmill_ranks{state="busy"}', 'ranks busy'],
  ['shardmill_ranks{state="idle"}', 'ranks idle'], ['shardmill_ranks{state="spare"}', 'spare ranks'],
  ['shardmill_ranks{state="dead"}', 'ranks dead']];
async function showFigures() {
  try {
    const values = {};
    for (const line of (await (await ask('metrics')).text()).split('\n')) {
      const at = line.lastIndexOf(' ');
      // Over all models.
      const name = line.slice(0, at).replace(/\{model="[^"]*"\}/, '');
      if (!line.startsWith('#') && at > 0) values[name] = (values[name] || 0) + Number(line.slice(at + 1));
    }
    byId('figures').textContent = '';
    for (const [key, label] of shown) row(byId('figures'), [label, String(Math.round(values[key] * 1000) / 1000)]);
    const idle = Object.keys(values).find((key) => key.startsWith('shardmill_idle_job{') && values[key] === 1);
    if (idle) row(byId('figures'), ['idle job', idle.split('"')[1] + ', ' + values.shardmill_idle_job_records_done + ' of ' +
      values.shardmill_idle_job_records + ' records']);
  } catch (error) { /* it comes back, or it does not */ }
  setTimeout(showFigures, 1000);
}
showModels();
showFigures();
</script>
</body>
</html>
)";
}

}  // namespace shardmill::serve
