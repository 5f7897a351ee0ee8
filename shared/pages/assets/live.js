// Keeps parts of a page as they are at the server, which sends each as it should look. A page that nobody sees asks for nothing.
const AGAIN_MS = 10000;

function replace(part, markup) {
  const open = [...part.querySelectorAll('details')].map((details) => details.open);
  part.innerHTML = markup;
  part.querySelectorAll('details').forEach((details, i) => { details.open = open[i] ?? details.open; });
}

function keep(place) {
  const state = place.querySelector('[data-live-state]');
  let source = null;
  let again = 0;

  function say(live) {
    if (state) state.hidden = !live;
  }

  function open() {
    close();
    source = new EventSource(place.dataset.live);
    source.addEventListener('open', () => say(true));
    source.addEventListener('part', (event) => {
      const { id, markup } = JSON.parse(event.data);
      const part = document.getElementById(id);
      if (part) replace(part, markup);
    });
    // The browser comes back by itself after an end; after a refusal it does not.
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) return;
      say(false);
      again = setTimeout(open, AGAIN_MS);
    });
  }

  function close() {
    clearTimeout(again);
    source?.close();
    source = null;
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  if (!document.hidden) open();
}

document.querySelectorAll('[data-live]').forEach(keep);
