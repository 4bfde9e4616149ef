import { ask, element, later, say, showValues } from "/shared/playground.js";

const form = element("wish");
let source = "";

function query() {
  const wish = new URLSearchParams(new FormData(form));
  wish.delete("ask");
  if (source) wish.set("source", source);
  return wish.toString();
}

// One table a bar: a row a voice, a column a step; velocity is shade, offset is shift.
function show({ voices, steps, bars, tempo, read, title }) {
  element("title").textContent = title;
  const tables = bars.map((bar, number) => {
    const table = document.createElement("table");
    table.createCaption().textContent = `bar ${number + 1}`;
    for (const [row, voice] of voices.entries()) {
      const line = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = voice.replace("_", " ");
      line.append(head);
      for (let step = 0; step < steps; step++) {
        const cell = line.insertCell();
        if (step % 4 === 0) cell.className = "beat";
        const mark = document.createElement("i");
        const hit = bar.find(([s, v]) => s === step && v === row);
        if (hit) {
          mark.className = "hit";
          mark.style.opacity = 0.3 + 0.7 * hit[2];
          mark.style.left = `${hit[3] * 100}%`;
          mark.title = `${voice}, step ${step + 1}, velocity ${Math.round(127 * hit[2])}`;
        }
        cell.append(mark);
      }
    }
    return table;
  });
  element("sequencer").replaceChildren(...tables);
  element("facts").textContent = `${Math.round(tempo)} beats a minute; the model reads ${read}.`;
}

let newest = 0;
async function play() {
  showValues(form);
  element("complexity").disabled = !element("ask").checked || Boolean(source);
  element("mix").disabled = !element("other").value || Boolean(source);
  element("action").disabled = element("forget").disabled = !source;
  const mine = ++newest;
  const wish = query();
  const answer = await ask(`/groove.json?${wish}`);
  if (!answer || mine !== newest) return;
  show(await answer.json());
  const player = element("player");
  const playing = !player.paused;
  player.src = `/groove.wav?${wish}&loop=1`;
  if (playing) player.play();
  element("midi").href = `/groove.mid?${wish}`;
  element("wav").href = `/groove.wav?${wish}`;
}

form.addEventListener("input", later(play, 200));
form.addEventListener("submit", (event) => event.preventDefault());
element("again").addEventListener("click", () => {
  element("seed").value = Number(element("seed").value) + 1;
  play();
});
element("file").addEventListener("change", async () => {
  const [file] = element("file").files;
  if (!file) return;
  const body = new FormData();
  body.append("file", file);
  const answer = await ask("/source", { method: "POST", body });
  if (!answer) return;
  const { remarks, ...known } = await answer.json();
  source = known.source;
  await play();
  if (remarks.length) say(`Of your file: ${remarks.join("; ")}.`);
});
element("forget").addEventListener("click", () => {
  source = "";
  element("file").value = "";
  say("");
  play();
});

const answer = await ask("/about");
if (answer) {
  const { about, styles } = await answer.json();
  element("about").textContent = about;
  for (const style of styles) {
    element("style").add(new Option(style, style));
    element("other").add(new Option(style, style));
  }
}
play();
