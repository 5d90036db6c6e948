document.body.textContent = "tipstaff";
