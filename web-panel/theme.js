// Before the first paint, so that nobody who chose dark is shown a white page first.
(() => {
	try {
		const chosen = localStorage.getItem('theme');
		if (chosen === 'dark' || chosen === 'light')
			document.documentElement.dataset.theme = chosen;
	} catch { /* storage is forbidden: the system's choice holds */ }
})();
