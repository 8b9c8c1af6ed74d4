// WHIP and WHEP from a page: one POST carries the offer out and the answer back. The server's address is
// in its answer, and it needs to know none of ours: nothing has to be gathered first.

export class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

// `way` is "whip" or "whep", below the page's own application.
export class Session {
	constructor(way, stream, token) {
		this.endpoint = new URL(`${way}/${encodeURIComponent(stream)}`, location.href);
		this.token = token;
		this.peer = new RTCPeerConnection({bundlePolicy: "max-bundle"});
		this.resource = null;
	}

	async open() {
		await this.peer.setLocalDescription();
		const headers = {"Content-Type": "application/sdp"};
		if (this.token)
			headers.Authorization = `Bearer ${this.token}`;
		const answer = await fetch(this.endpoint, {method: "POST", headers, body: this.peer.localDescription.sdp});
		const text = await answer.text();
		if (answer.status !== 201)
			throw new Refused(answer.status, messageOf(answer.status, text));
		this.resource = new URL(answer.headers.get("Location"), this.endpoint);
		await this.peer.setRemoteDescription({type: "answer", sdp: text});
	}

	// The goodbye first: with the connection its address goes, too. `keepalive` lets it outlive the page.
	close() {
		const {peer, resource} = this;
		this.resource = null;
		if (resource && peer.connectionState === "connected")
			fetch(resource, {method: "DELETE", keepalive: true}).catch(() => {}).finally(() => peer.close());
		else
			peer.close();
	}
}

function messageOf(status, text) {
	if (status === 401)
		return "A token is needed.";
	if (status === 403)
		return "This token does not open it: it was used, is over, or is for something else.";
	if (status === 404)
		return "There is no such stream now.";
	if (status === 409)
		return "Somebody publishes this stream already.";
	if (status === 429)
		return "Too many attempts: wait a moment.";
	if (status === 503)
		return "The server has too much to do: try again.";
	try {
		return `It cannot be done: ${JSON.parse(text).message}.`;
	} catch {
		return `It cannot be done (${status}).`;
	}
}

const $ = id => document.getElementById(id);

// idle, connecting, live, failed, ended
export function say(state, text) {
	document.body.dataset.state = state;
	$("status").textContent = text;
	const busy = state === "connecting" || state === "live";
	$("stop").hidden = !busy;
	$("start").hidden = busy;
	for (const field of document.querySelectorAll("#form input, #form select"))
		field.disabled = busy;
}

// ?id=S&token=T fill the form. The token then leaves the address, so that it is in no history.
export function fillForm() {
	const query = new URLSearchParams(location.search);
	$("stream").value = query.get("id") ?? query.get("name") ?? "";
	$("token").value = query.get("token") ?? "";
	if (query.has("token")) {
		query.delete("token");
		history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
	}
}
