/** Passkeys: the browser's authenticator, in the API's JSON. */

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
const bare = (options) => options.publicKey ?? options;

export const isOffered = () => Boolean(window.PublicKeyCredential);

/** A new credential for these creation options. */
export async function newCredential(options) {
  const asked = bare(options);
  const publicKey = {
    ...asked,
    challenge: toBytes(asked.challenge),
    user: { ...asked.user, id: toBytes(asked.user.id) },
    excludeCredentials: known(asked.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  const { attestationObject, clientDataJSON } = made.response;
  return shaped(made, { attestationObject: toText(attestationObject), clientDataJSON: toText(clientDataJSON) });
}

/** The answer to a challenge. */
export async function answerOf(options) {
  const asked = bare(options);
  const publicKey = { ...asked, challenge: toBytes(asked.challenge), allowCredentials: known(asked.allowCredentials) };
  const made = await navigator.credentials.get({ publicKey });
  const { authenticatorData, clientDataJSON, signature, userHandle } = made.response;
  return shaped(made, {
    authenticatorData: toText(authenticatorData),
    clientDataJSON: toText(clientDataJSON),
    signature: toText(signature),
    userHandle: userHandle ? toText(userHandle) : null,
  });
}

function shaped(made, response) {
  return { id: made.id, rawId: toText(made.rawId), type: made.type, response, clientExtensionResults: made.getClientExtensionResults() };
}
