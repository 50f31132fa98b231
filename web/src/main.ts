// The page begins here.
import { mount } from "svelte";
import App from "./app.svelte";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/prose.css";

mount(App, { target: document.getElementById("page")! });
