// What both pages share: asking the server for drawings, and saying what went wrong.

export const element = (id) => document.getElementById(id);

export function say(message) {
  element("error").textContent = message;
}

// The answer to an address, or null: then the page says why.
export async function ask(address, options = {}) {
  try {
    const answer = await fetch(address, options);
    if (answer.ok) {
      say("");
      return answer;
    }
    const { error } = await answer.json();
    say(error);
  } catch (failure) {
    if (failure.name !== "AbortError") say("The server does not answer. Is it still running?");
  }
  return null;
}

// Draw an address into an <img>; a newer wish overtakes an older one.
const wishes = new Map();
export async function draw(image, address) {
  wishes.get(image)?.abort();
  const wish = new AbortController();
  wishes.set(image, wish);
  const figure = image.closest("figure");
  figure.setAttribute("aria-busy", "true");
  const answer = await ask(address, { signal: wish.signal });
  if (answer) {
    const old = image.src;
    image.src = URL.createObjectURL(await answer.blob());
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
  }
  if (wishes.get(image) === wish) figure.removeAttribute("aria-busy");
}

export function later(action, milliseconds = 120) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

// Show the value of each range beside its label.
export function showValues(form) {
  for (const range of form.querySelectorAll('input[type="range"]')) {
    const output = form.querySelector(`output[for="${range.id}"]`);
    if (output) output.textContent = Number(range.value).toFixed(2);
  }
}
