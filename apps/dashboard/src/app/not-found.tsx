import { Link } from '@tanstack/react-router';
import { PageHead } from './page-head.js';

export function NotFound() {
  return (
    <>
      <PageHead title="No page here" />
      <p>
        This address leads nowhere. <Link to="/">Go to the overview</Link>
      </p>
    </>
  );
}
