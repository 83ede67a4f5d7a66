"""The page of a server, in a browser."""
import json
import unittest

from browser import CHROMIUM, Browser
from serving import DIGITS_SERVE, digits, expected_digits
from serving_models_test import SeveralModels
from serving_security_test import TOKEN, SecurityTest

FIGURES = "Object.fromEntries([...document.querySelectorAll('#figures tr')].map((row) => [...row.cells].map((cell) => cell.innerText)))"


@unittest.skipUnless(CHROMIUM, "there is no Chromium")
class PageTest(SecurityTest):
    def page(self, server):
        browser = Browser(self.folder / "profile")
        self.addCleanup(browser.close)
        browser.open(f"http://127.0.0.1:{server.port}/")
        return browser

    def test_the_form_asks_and_the_figures_are_live(self):
        server = self.serve()
        browser = self.page(server)
        browser.wait_for("document.querySelectorAll('#tensors tr').length === 3")
        self.assertEqual(browser.evaluate("document.title"), "digits-serve")
        self.assertIn("images\tUINT8\t[8, 8]", browser.evaluate("document.getElementById('tensors').innerText"))
        zeros = json.loads(browser.evaluate("document.getElementById('body').value"))
        self.assertEqual(zeros, {"inputs": {"images": [[0] * 8] * 8}})
        images = digits()[:12]
        labels = expected_digits(images)[0]
        for image, label in zip(images, labels):
            body = json.dumps({"inputs": image.tolist()})
            browser.evaluate(f"document.getElementById('answer').textContent = ''; document.getElementById('body').value = {json.dumps(body)};"
                             "document.querySelector('#form button').click()")
            browser.wait_for("document.getElementById('answer').textContent !== ''")
            self.assertEqual(json.loads(browser.evaluate("document.getElementById('answer').textContent"))["outputs"]["label"], int(label))
            self.assertRegex(browser.evaluate("document.getElementById('took').textContent"), r"^status 200, [\d.]+ ms$")
        # By itself, without the page being loaded again.
        browser.wait_for(f"{FIGURES}['records'] === '12'")
        figures = browser.evaluate(FIGURES)
        self.assertEqual((figures["utilization"], figures["ranks idle"], figures["spare ranks"]), ("1", "2", "1"))
        self.assertEqual(browser.problems, [])
        browser.evaluate("document.getElementById('body').value = '{\"inputs\": [1]}'; document.querySelector('#form button').click()")
        browser.wait_for("document.getElementById('took').textContent.startsWith('status 400')")
        self.assertIn("shape [8, 8]", browser.evaluate("document.getElementById('answer').textContent"))

    def test_a_model_can_be_chosen(self):
        server = self.serve(SeveralModels.job(self))
        browser = self.page(server)
        browser.wait_for("document.querySelectorAll('#model option').length === 2")
        browser.wait_for("document.getElementById('tensors').innerText.includes('images')")
        browser.evaluate("const chosen = document.getElementById('model'); chosen.value = 'double'; chosen.dispatchEvent(new Event('change'))")
        browser.wait_for("document.getElementById('tensors').innerText.includes('FP32\\t[2]')")
        browser.evaluate("document.getElementById('body').value = '{\"inputs\": [[1, 2]]}'; document.querySelector('#form button').click()")
        browser.wait_for("document.getElementById('answer').textContent.includes('[[2.0,4.0]]') ||"
                         "document.getElementById('answer').textContent.includes('[[2,4]]')")
        self.assertEqual(browser.problems, [])

    def test_a_token_is_asked_for(self):
        tokens = self.folder / "tokens"
        tokens.write_text(TOKEN + "\n")
        server = self.serve(DIGITS_SERVE, "--set", f"serve.auth={{tokens_file: {tokens}}}", token=TOKEN)
        browser = self.page(server)
        browser.wait_for("!document.getElementById('login').hidden")
        self.assertEqual(browser.evaluate("document.querySelectorAll('#tensors tr').length"), 0)
        browser.evaluate(f"document.getElementById('token').value = '{TOKEN}'; document.querySelector('#login button').click()")
        browser.wait_for("document.querySelectorAll('#tensors tr').length === 3")
        browser.wait_for("document.getElementById('login').hidden")
        browser.wait_for(f"{FIGURES}['ranks idle'] === '2'")


if __name__ == "__main__":
    unittest.main()
