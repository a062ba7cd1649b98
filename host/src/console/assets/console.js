// What htmx does not do: the theme without a new page, copying, dates in the reader's own time zone, selecting all.
// Every page works without this file.
(function () {
  "use strict";

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches("form.theme") || !event.submitter) return;
    event.preventDefault();
    var theme = event.submitter.value;
    document.documentElement.dataset.theme = theme;
    form.querySelectorAll("button").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.value === theme));
    });
    fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, event.submitter)),
      redirect: "manual",
    });
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-copy]");
    if (!button) return;
    var source = document.getElementById(button.dataset.copy);
    if (!source) return;
    navigator.clipboard.writeText(source.textContent.trim()).then(function () {
      var before = button.textContent;
      button.textContent = "Copied";
      setTimeout(function () {
        button.textContent = before;
      }, 1500);
    });
  });

  document.addEventListener("change", function (event) {
    var all = event.target;
    if (!all.matches("input[data-all]")) return;
    document.querySelectorAll('input[type=checkbox][name="' + all.dataset.all + '"]').forEach(function (one) {
      if (!one.disabled) one.checked = all.checked;
    });
  });

  function localTimes(root) {
    root.querySelectorAll("time[datetime]").forEach(function (time) {
      var at = new Date(time.getAttribute("datetime"));
      if (!isNaN(at)) time.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    });
  }

  function ready(root) {
    localTimes(root);
    root.querySelectorAll("button[data-copy]").forEach(function (button) {
      button.hidden = false;
    });
    root.querySelectorAll("[data-scripted]").forEach(function (part) {
      part.hidden = false;
    });
  }

  ready(document);
  document.addEventListener("htmx:load", function (event) {
    ready(event.target);
  });
})();
