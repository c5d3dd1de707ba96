// A click on one of the demo's people fills in the form and sends it.
const form = document.getElementById("sign-in");

for (const person of document.querySelectorAll(".person")) {
  person.addEventListener("click", () => {
    form.elements.name.value = person.dataset.name;
    form.elements.password.value = person.dataset.name;
    form.requestSubmit();
  });
}
