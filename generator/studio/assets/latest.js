// Work of which one is done at a time, and of which only the latest that waits is done at all.

export class Latest {
  constructor(work) {
    this.work = work;
    this.busy = false;
    this.again = false;
  }

  async ask() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.again) {
        this.again = false;
        await this.work();
      }
    } finally {
      this.busy = false;
    }
  }
}
