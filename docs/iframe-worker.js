/* Search in pages that are opened from the disk, where browsers start no workers: the worker's
   script runs in a hidden frame instead, behind the same interface. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const page = this.frame.contentDocument
      page.open()
      page.write("<!doctype html><title>search</title><body></body>")
      page.close()
      const inside = this.frame.contentWindow
      const load = (source) =>
        new Promise((done, failed) => {
          const script = page.createElement("script")
          script.onload = done
          script.onerror = failed
          script.src = new URL(source, document.baseURI).href
          page.body.append(script)
        })
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = async (...sources) => {
        for (const source of sources) await load(source)
      }
      this.ready = load(url)
    }

    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow
        inside.dispatchEvent(new inside.MessageEvent("message", { data }))
      })
    }

    terminate() {
      this.frame.remove()
    }
  }
}
