document.documentElement.classList.add("js"); // before anything is drawn, so that nothing flickers
