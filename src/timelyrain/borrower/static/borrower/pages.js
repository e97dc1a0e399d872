// What a page does by itself: a form is sent once, a countdown opens its button, a slider says its value. Without this file
// everything still works; the server refuses what is too early or too often.

const plain = new Intl.NumberFormat("en-US");

function sendOnce(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    const button = event.submitter ?? form.querySelector("button");
    button?.setAttribute("aria-disabled", "true");
    if (button?.dataset.busy) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.busy;
    }
    const clock = form.querySelector("[data-elapsed]");
    if (clock) {
      const began = performance.now();
      setInterval(() => { clock.textContent = ((performance.now() - began) / 1000).toFixed(1); }, 100);
    }
  });
}

// Back from the next page: the form may be used again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[data-label]")) button.textContent = button.dataset.label;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

// <button disabled data-opens-in="5" data-counting="… {s} …">Label</button>
function countDown(button) {
  const label = button.textContent;
  const end = performance.now() + Number(button.dataset.opensIn) * 1000;
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    if (left > 0) {
      button.textContent = button.dataset.counting.replace("{s}", left);
      setTimeout(tick, 100);
    } else {
      button.disabled = false;
      button.textContent = label;
      const told = document.getElementById(button.dataset.tells ?? "");
      if (told) told.textContent = told.dataset.open;
    }
  };
  tick();
}

function sayValue(range) {
  const output = document.getElementById(range.dataset.output);
  const show = () => {
    output.textContent = plain.format(Number(range.value));
    range.setAttribute("aria-valuetext", `¥${plain.format(Number(range.value))}`);
  };
  range.addEventListener("input", show);
  show();
}

document.querySelectorAll("form[method=post]").forEach(sendOnce);
document.querySelectorAll("button[data-opens-in]").forEach(countDown);
document.querySelectorAll("input[type=range][data-output]").forEach(sayValue);
