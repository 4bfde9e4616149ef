import { ask, draw, element, later, showValues } from "/shared/playground.js";

const form = element("hand");
const query = () => new URLSearchParams(new FormData(form)).toString();

async function readings() {
  const answer = await ask(`/readings?${query()}`);
  if (!answer) return;
  const { legible, wrong } = await answer.json();
  element("read").textContent = wrong.length
    ? `The judge reads ${legible} of 26 as what they are; not ${wrong.join(", ")}.`
    : "The judge reads all 26 as what they are.";
}

const words = () =>
  draw(element("words"), `/text.png?${query()}&text=${encodeURIComponent(element("text").value)}`);

async function walk() {
  const answer = await ask(`/walk?${query()}&path=${encodeURIComponent(element("path").value)}`);
  if (!answer) return;
  const found = await answer.json();
  element("walk").src = found.png;
  element("smooth").textContent =
    `Passes ${found.letters}; ${Math.round(100 * found.legible)} % of the steps are a letter; ` +
    `the largest step is ${found.features.toFixed(1)} times the mean one in the judge's features.`;
}

function hand() {
  showValues(form);
  draw(element("alphabet"), `/alphabet.png?${query()}`);
  readings();
  words();
  for (const kind of ["ttf", "svg"]) element(kind).href = `/font.${kind}?${query()}`;
}

form.addEventListener("input", later(hand));
form.addEventListener("submit", (event) => event.preventDefault());
element("text").addEventListener("input", later(words));
element("go").addEventListener("click", walk);
element("path").addEventListener("keydown", (event) => {
  if (event.key === "Enter") walk();
});
element("dice").addEventListener("click", () => {
  for (const name of ["seed", "other"]) element(name).value = Math.floor(Math.random() * 1e6);
  hand();
});
element("home").addEventListener("click", () => {
  for (const name of ["move0", "move1", "move2", "move3"]) element(name).value = 0;
  hand();
});

const answer = await ask("/about");
if (answer) element("about").textContent = (await answer.json()).about;
hand();
walk();
