// Uploads go straight to this session's folder; the hidden button then tells the kernel.
(() => {
  const token = () => (document.cookie.match(/(?:^|; )_xsrf=([^;]*)/) || ["", ""])[1];
  const megabytes = bytes => (bytes / 1e6).toFixed(1) + " MB";
  const say = (zone, text, bad) => {
    const place = zone.querySelector(".medlab-sent");
    place.textContent = text;
    place.className = "medlab-sent" + (bad ? " medlab-alert" : "");
  };
  const sendOne = (zone, file) => fetch(
    `/medlab/${zone.dataset.session}/upload?name=` + encodeURIComponent(file.webkitRelativePath || file.name),
    {method: "POST", body: file, headers: {"X-XSRFToken": token(), "Content-Type": "application/octet-stream"}});
  async function send(zone, files) {
    const total = files.reduce((sum, file) => sum + file.size, 0);
    if (!files.length) return;
    if (total > Number(zone.dataset.cap)) {
      return say(zone, `These files are ${megabytes(total)} together; this page takes ${megabytes(Number(zone.dataset.cap))}. ` +
        "Nothing was sent. Name the folder's path below instead.", true);
    }
    let sent = 0, refused = 0, why = "";
    for (const [number, file] of files.entries()) {
      say(zone, `Sending file ${number + 1} of ${files.length}, ${megabytes(sent)} of ${megabytes(total)}.`);
      try {
        const answer = await sendOne(zone, file);
        if (!answer.ok) { refused += 1; why = answer.status === 400 ? await answer.text() : "the session has ended; reload the page"; }
      } catch { refused += 1; why = "the server did not answer"; }
      sent += file.size;
    }
    say(zone, refused ? `${refused} of ${files.length} files were not taken: ${why}` : `${files.length} file${files.length === 1 ? "" : "s"} sent.`, refused > 0);
    if (refused < files.length) document.querySelector(".medlab-arrived").click();
  }
  document.addEventListener("change", event => {
    if (!event.target.matches(".medlab-drop input[type=file]")) return;
    const files = [...event.target.files];
    event.target.value = "";
    send(event.target.closest(".medlab-drop"), files);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, event => {
      event.preventDefault();
      const zone = event.target.closest && event.target.closest(".medlab-drop");
      document.querySelectorAll(".medlab-drop").forEach(one => one.classList.toggle("over", kind === "dragover" && one === zone));
      if (kind !== "drop" || !zone) return;
      const items = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry && item.webkitGetAsEntry());
      if (items.some(item => item && item.isDirectory)) return say(zone, "A folder can't be dropped; use “Choose a folder”, or zip it.", true);
      send(zone, [...event.dataTransfer.files]);
    });
  }
  // The token has done its work: it need not stay in the address bar and the history.
  if (location.search) history.replaceState(null, "", location.pathname);
  window.addEventListener("beforeunload", event => {
    if (document.querySelector(".medlab-held") && !document.querySelector(".medlab-ended")) event.preventDefault();
  });
  setInterval(async () => {
    const zone = document.querySelector(".medlab-drop");
    if (!zone || document.querySelector(".medlab-ended")) return;
    const answer = await fetch(`/medlab/${zone.dataset.session}/alive`).catch(() => null);
    if (answer && answer.ok && (await answer.text()) === "yes") return;
    const note = document.createElement("p");
    note.className = "medlab-ended";
    note.setAttribute("role", "alert");
    note.textContent = "This session has ended and its files are wiped. Reload the page to begin anew; start the page again if it does not come.";
    document.querySelector(".medlab-page").prepend(note);
  }, 10000);
})();
