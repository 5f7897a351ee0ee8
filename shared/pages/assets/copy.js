// Buttons that copy a text. Without a script they are not shown at all.
const SHOWN_MS = 2000;

async function copy(button) {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => { button.textContent = label; }, SHOWN_MS);
}

for (const button of document.querySelectorAll('button[data-copy]')) {
  // Browsers give pages the clipboard in secure contexts only.
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', () => copy(button));
}
