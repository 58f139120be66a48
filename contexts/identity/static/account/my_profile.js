/** What one says about oneself, who may see it, and the circles one keeps to oneself. */

import { h, t, toast } from "../live/dom.js";
import { request } from "../live/api.js";
import { button, choice, field, form, section, trying } from "./parts.js";

const WHO = [["nobody", t("Nobody")], ["friends", t("Friends")], ["groups", t("Groups")], ["everyone", t("Everyone")]];
const SEXES = [["unspecified", t("Not said")], ["female", t("Female")], ["male", t("Male")]];
const changed = (json) => request("identity/me", { method: "PATCH", json });

/** A field beside the choice of who may see it. */
function seen(me, name, input) {
  const who = choice(t("Shown to"), `seen-${name}`, WHO, me.visibility[name]);
  return h("div", { class: "pair" }, input, who);
}

export async function sections(me) {
  const zones = await request("identity/privacy-zones");
  const value = (name) => me[name] ?? "";
  const about = form(
    [
      seen(me, "display_name", field(t("Your name"), { name: "display_name", value: value("display_name"), autocomplete: "name" })),
      seen(me, "about", field(t("About you"), { name: "about", value: value("about"), maxlength: 500 })),
      seen(me, "city", field(t("Town"), { name: "city", value: value("city"), maxlength: 80 })),
      seen(me, "age", field(t("Age, from your birth date"), { value: me.age, disabled: true })),
      seen(me, "sex", choice(t("Sex"), "sex", SEXES, me.sex)),
      seen(me, "body_mass_kg", field(t("Body mass, kg"), { name: "body_mass_kg", value: value("body_mass_kg"), type: "number", step: "0.1" })),
      seen(me, "hr_max", field(t("Highest heart rate, beats a minute"), { name: "hr_max", value: value("hr_max"), type: "number" })),
      choice(t("New workouts are shown to"), "seen-workouts", WHO, me.visibility.workouts),
    ],
    t("Save"),
    async (values) => {
      const visibility = {};
      const json = { visibility };
      for (const [name, given] of Object.entries(values)) {
        if (name.startsWith("seen-")) visibility[name.slice(5)] = given;
        else if (["body_mass_kg", "hr_max"].includes(name)) json[name] = given === "" ? null : Number(given);
        else json[name] = given;
      }
      await changed(json);
      toast(t("Saved."));
    },
  );
  return [section(t("Profile"), about), section(t("Language and units"), habits(me)), section(t("Privacy zones"), ...circles(zones.items))];
}

function habits(me) {
  const zones = Intl.supportedValuesOf?.("timeZone") ?? [me.time_zone];
  const all = zones.includes(me.time_zone) ? zones : [me.time_zone, ...zones];
  return form(
    [
      choice(t("Language of mails"), "locale", [["en", "English"], ["ru", "Русский"]], me.locale),
      choice(t("Units"), "units", [["metric", t("Kilometres, kilograms")], ["imperial", t("Miles, pounds")]], me.units),
      choice(t("Time zone"), "time_zone", all.map((zone) => [zone, zone]), me.time_zone),
    ],
    t("Save"),
    async (values) => { await changed(values); toast(t("Saved.")); },
  );
}

function circles(items) {
  const list = h("div", {});
  const draw = () => list.replaceChildren(...items.map((zone) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, zone.name), h("span", { class: "hint" }, `${zone.latitude.toFixed(4)}, ${zone.longitude.toFixed(4)} · ${zone.radius_m} m`)),
    button(t("Remove"), () => trying(async () => {
      await request(`identity/privacy-zones/${zone.zone_id}`, { method: "DELETE" });
      items = items.filter((one) => one !== zone);
      draw();
    }), "quiet"))));
  draw();
  const here = (made) => navigator.geolocation?.getCurrentPosition(({ coords }) => {
    made.elements.latitude.value = coords.latitude.toFixed(5);
    made.elements.longitude.value = coords.longitude.toFixed(5);
  });
  const adding = form(
    [
      field(t("Name, for example home"), { name: "name", maxlength: 40, required: true }),
      h("div", { class: "pair" }, field(t("Latitude"), { name: "latitude", type: "number", step: "any", required: true }),
        field(t("Longitude"), { name: "longitude", type: "number", step: "any", required: true })),
      field(t("Radius, metres"), { name: "radius_m", type: "number", min: 50, max: 2000, value: 300 }),
      button(t("Use where I am"), () => here(adding), "quiet"),
    ],
    t("Add"),
    async ({ name, latitude, longitude, radius_m }) => {
      const json = { name, latitude: Number(latitude), longitude: Number(longitude), radius_m: Number(radius_m) };
      items = [...items, await request("identity/privacy-zones", { method: "POST", json })];
      adding.reset();
      draw();
    },
  );
  return [h("p", { class: "hint" }, t("Nobody else is shown a route through these circles.")), list, adding];
}
