// Keeps parts of a page as they are at the server, which sends each as it should look. A page that nobody sees asks for nothing.
const AGAIN_MS = 10000;

// What stays the same stays in place, with its focus, what is open in it and how far it is scrolled.
function become(old, now) {
  if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || (old.id ?? '') !== (now.id ?? '')) {
    old.replaceWith(now);
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    attributes(old, now);
    children(old, now);
  } else if (old.data !== now.data) {
    old.data = now.data;
  }
}

function attributes(old, now) {
  // Whether something is open is the reader's, not the server's.
  const kept = (name) => name === 'open' && old.nodeName === 'DETAILS';
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
}

function children(old, now) {
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...now.childNodes]) {
    const same = named.get(child.id);
    // One that is new, or that has moved, comes before the one that stands here.
    if (same && same !== at) old.insertBefore(same, at);
    else if (!same && (!at || (at.id && named.has(at.id)))) { old.insertBefore(child, at); continue; }
    const stays = same ?? at;
    at = stays.nextSibling;
    become(stays, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
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
      const wanted = document.createElement('template');
      wanted.innerHTML = markup;
      if (part) children(part, wanted.content);
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
